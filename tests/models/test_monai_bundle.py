"""MONAI bundles opened as they are: what MONAI's own pipeline gives, and nothing run."""

from __future__ import annotations

import json
import shutil
import zipfile

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from saliency_viewer.errors import UserError
from saliency_viewer.models import check_package, is_package, load_package, read_card
from saliency_viewer.models.bundle_config import BundleConfig
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.monai_transforms import read_transforms, transform_name
from saliency_viewer.readers import open_study

pytestmark = pytest.mark.filterwarnings("ignore")  # of MONAI's import and of its transforms' deprecations

LOAD = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"}]


def step(name, **settings):
    return {"_target_": name, "keys": "image", **settings}


def metadata(axes=3, channels=1, size=None, modality="MR", **more):
    image = {"type": "image", "modality": modality, "num_channels": channels, "spatial_shape": size or [24] * axes}
    pred = {
        "type": "probabilities",
        "format": "classes",
        "num_channels": 2,
        "channel_def": {"0": "healthy", "1": "ill"},
    }
    data = {"inputs": {"image": image}, "outputs": {"pred": pred}}
    return {"version": "0.3.0", "name": "Test bundle", "network_data_format": data, **more}


def network(axes=3, channels=1):
    small = {"init_features": 8, "growth_rate": 4, "block_config": [2, 2]}
    return {"_target_": "DenseNet", "spatial_dims": axes, "in_channels": channels, "out_channels": 2, **small}


def bundle(folder, transforms, meta=None, inference=None, axes=3, channels=1):
    from monai.networks.nets import DenseNet

    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    config = {
        "imports": ["$import os"],
        "device": "$torch.device('cpu')",
        "network_def": network(axes, channels),
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": LOAD + transforms},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
        },
    }
    config.update(inference or {})
    (folder / "configs" / "metadata.json").write_text(json.dumps(meta or metadata(axes, channels)))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    made = DenseNet(**{key: value for key, value in network(axes, channels).items() if key != "_target_"})
    for module in made.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    torch.save(made.state_dict(), folder / "models" / "model.pt")
    return folder


def oblique_nifti(path, shape=(31, 26, 18), spacing=(0.9, 1.1, 2.3), tilt=1.0):
    """A rotated anisotropic image, whose index axes run to the left, to the back and to the head."""
    a, b = np.deg2rad(9.0 * tilt), np.deg2rad(-6.0 * tilt)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([-spacing[0], -spacing[1], spacing[2]])
    affine[:3, 3] = (14.0, 20.0, -9.0)
    grid = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    random = np.random.default_rng(0)
    values = 400 * np.exp(-3 * sum((g - c) ** 2 for g, c in zip(grid, (0.3, -0.2, 0.1), strict=True)))
    values += random.normal(0, 20, shape)
    values[np.hypot(grid[0], grid[1]) > 1.1] = 0
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def of_monai(folder, image):
    """(tensor, logits) by MONAI's own parser, transforms and network."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    tensor = parser.get_parsed_content("preprocessing")({"image": str(image)})["image"]
    net = parser.get_parsed_content("network_def").eval()
    net.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    values = torch.as_tensor(np.asarray(tensor))[None].float()
    with torch.no_grad():
        return values, net(values)


def first_volume(path):
    return open_study(path).series[0].load()


RAS = step("Orientationd", axcodes="RAS")
PAD = step("SpatialPadd", spatial_size=[28, 28, 28])
RESIZE = step("Resized", spatial_size=[24, 20, 16], mode="trilinear")
PIPELINES = {
    "oriented and resized": [RAS, step("ScaleIntensityd"), RESIZE],
    "another side": [step("Orientationd", axcodes="LPS"), RESIZE, step("NormalizeIntensityd", nonzero=True)],
    "axes exchanged": [step("Orientationd", axcodes="SAR"), RESIZE, step("NormalizeIntensityd")],
    "as stored": [step("ScaleIntensityRanged", a_min=0, a_max=400, b_min=-1, b_max=1, clip=True), RESIZE],
    "area": [
        RAS,
        step("NormalizeIntensityd", nonzero=True, channel_wise=True),
        step("Resized", spatial_size=[16, 13, 17]),
    ],
    "longest": [RAS, step("Resized", spatial_size=22, size_mode="longest", mode="trilinear")],
    "spacing": [
        RAS,
        step("Spacingd", pixdim=[1.3, 1.5, 1.7], mode="bilinear"),
        step("ScaleIntensityRanged", a_min=-50, a_max=350, b_min=0, b_max=1, clip=True),
        step("ResizeWithPadOrCropd", spatial_size=[25, 17, 24]),
    ],
    "cubes": [RAS, step("Spacingd", pixdim=1.4), step("CenterSpatialCropd", roi_size=[11, 12, 13])],
    "the foreground of what was scaled": [
        RAS,
        step("Spacingd", pixdim=[1.4, 1.4, 1.4]),
        step("ScaleIntensityRanged", a_min=30, a_max=350, b_min=0, b_max=1, clip=True),
        step("CropForegroundd", source_key="image"),
    ],
    "padded after scaling": [RAS, RESIZE, step("NormalizeIntensityd", subtrahend=50, divisor=20), PAD],
    "pad": [RAS, step("SpatialPadd", spatial_size=[40, 33, 20]), step("NormalizeIntensityd", subtrahend=9, divisor=4)],
    "foreground": [RAS, step("CropForegroundd", source_key="image", allow_smaller=True), RESIZE],
    "percentiles": [
        RAS,
        step("ScaleIntensityRangePercentilesd", lower=2, upper=97, b_min=0, b_max=1, clip=True),
        step("DivisiblePadd", k=8),
    ],
    "linear steps go through": [RAS, RESIZE, step("ScaleIntensityRanged", a_min=0, a_max=9, b_min=0, b_max=1), RESIZE],
}


@pytest.mark.parametrize("oblique", [True, False])
@pytest.mark.parametrize("name", PIPELINES)
def test_the_networks_input_and_answer_are_those_of_monais_own_pipeline(tmp_path, name, oblique):
    """On an oblique image (whose rounded axes are skew by 1e-7) and on one along the patient's axes."""
    folder = bundle(tmp_path / "bundle", PIPELINES[name])
    image = oblique_nifti(tmp_path / "image.nii.gz", tilt=1.0 if oblique else 0.0)
    tensor, logits = of_monai(folder, image)
    classifier = load_package(folder)
    volume = first_volume(image)
    prepared = classifier.prepare(volume)
    assert prepared.inputs.shape == tensor.shape
    scale = float(tensor.max() - tensor.min())
    assert float((prepared.inputs - tensor).abs().max()) < 2e-4 * scale
    prediction = classifier.predict(volume)
    np.testing.assert_allclose(prediction.logits, logits[0].numpy(), rtol=1e-3, atol=1e-3)
    assert prediction.classes == ("healthy", "ill")
    assert prediction.warnings == ()


def test_a_map_comes_back_to_the_tissue_that_the_network_saw(tmp_path):
    """The bright voxel's place on MONAI's grid, by MONAI's own affine, is where its map must come from."""
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd, Spacingd

    path = tmp_path / "image.nii.gz"
    shape = (33, 28, 19)
    values = np.zeros(shape, np.float32)
    oblique_nifti(path, shape)
    affine = nibabel.load(path).affine
    spot = (24, 9, 13)
    values[spot] = 1
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    folder = bundle(tmp_path / "bundle", [RAS, step("Spacingd", pixdim=[1.2, 1.2, 1.2])])
    pipeline = Compose(
        [
            LoadImaged(keys="image"),
            EnsureChannelFirstd(keys="image"),
            Orientationd(keys="image", axcodes="RAS"),
            Spacingd(keys="image", pixdim=[1.2, 1.2, 1.2]),
        ]
    )
    seen = pipeline({"image": str(path)})["image"]
    brightest = np.unravel_index(int(seen.argmax()), seen.shape)[1:]
    in_monai = np.asarray(seen.affine) @ [*brightest, 1]
    classifier = load_package(folder)
    volume = first_volume(path)
    prepared = classifier.prepare(volume)
    back = classifier.project(prepared.inputs, prepared)
    peak = np.unravel_index(int(np.nanargmax(back)), back.shape)
    in_ours = volume.geometry.to_patient(np.array(peak, float))
    lps = in_monai[:3] * [-1, -1, 1]
    assert np.linalg.norm(in_ours - lps) < 1.2
    assert peak == spot[::-1]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_indexed_by_monai_from_the_left(tmp_path, channels):
    random = np.random.default_rng(0)
    shape = (30, 45, 3) if channels == 3 else (30, 45)
    Image.fromarray(random.integers(0, 255, shape).astype(np.uint8)).save(tmp_path / "image.png")
    transforms = [step("Resized", spatial_size=[36, 28], mode="bilinear"), step("ScaleIntensityd")]
    folder = bundle(tmp_path / "bundle", transforms, axes=2, channels=channels)
    tensor, logits = of_monai(folder, tmp_path / "image.png")
    classifier = load_package(folder)
    volume = first_volume(tmp_path / "image.png")
    prepared = classifier.prepare(volume)
    np.testing.assert_allclose(prepared.inputs, tensor, atol=2e-4)
    np.testing.assert_allclose(classifier.predict(volume).logits, logits[0], rtol=1e-3, atol=1e-3)
    bright = torch.zeros_like(prepared.inputs)
    bright[..., 20, 5] = 1  # (x, y) of the network: column 20 of 36, row 5 of 28
    back = classifier.project(bright, prepared)
    row, column = np.unravel_index(int(np.nanargmax(back[0])), back[0].shape)
    assert (abs(row - 5.5 * 30 / 28), abs(column - 20.5 * 45 / 36)) < (1.0, 1.0)


def test_every_method_of_layers_reads_maps_in_the_networks_own_order(tmp_path):
    """The CAM of the transposed network on the transposed input is the transposed CAM."""
    from saliency_viewer.attribution import explain

    folder = bundle(tmp_path / "bundle", [RAS, RESIZE])
    classifier = load_package(folder)
    volume = first_volume(oblique_nifti(tmp_path / "image.nii"))
    prepared = classifier.prepare(volume)
    assert tuple(prepared.inputs.shape[2:]) == (24, 20, 16)
    found = explain(classifier.network, prepared.inputs, "grad-cam", 1)["grad-cam"]
    back = classifier.project(found.signed, prepared)
    assert back.shape == volume.geometry.shape
    assert np.isfinite(back).any()


def test_the_card_of_a_bundle_is_a_card_like_any_other(tmp_path):
    folder = bundle(tmp_path / "bundle", PIPELINES["spacing"])
    card, code = read_card(folder)
    assert code is None
    assert parse_card(card_to_toml(card)) == card
    assert (card.name, card.version, card.modality) == ("Test bundle", "0.3.0", ("MR",))
    assert card.architecture == "monai:DenseNet"
    assert card.input.size == (24, 17, 25)
    lines = check_package(folder)
    assert [line for line in lines if line.startswith("Note")] == []
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "bundle")
    assert is_package(tmp_path / "zipped.zip")
    assert load_package(tmp_path / "zipped.zip").model_hash == load_package(folder).model_hash


def test_a_model_toml_beside_a_bundle_counts_alone(tmp_path, make):
    folder = bundle(tmp_path / "bundle", PIPELINES["area"])
    text = 'name = "own"\narchitecture = "monai:DenseNet"\nweights = "models/model.pt"\narguments = '
    arguments = {key: value for key, value in network().items() if key != "_target_"}
    rows = ", ".join(f"{key} = {value}" for key, value in arguments.items())
    (folder / "model.toml").write_text(
        make.card_text(model=f"{text}{{ {rows} }}", inputs='layout = "3d"\nsize = [16, 16, 16]')
    )
    assert load_package(folder).card.name == "own"


def test_yaml_is_read_like_json(tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = bundle(tmp_path / "bundle", PIPELINES["area"])
    plain = load_package(folder).card
    config = folder / "configs" / "inference.json"
    (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(json.loads(config.read_text())))
    config.unlink()
    assert load_package(folder).card == plain


@pytest.mark.parametrize(
    ("transforms", "said"),
    [
        ([step("Lambdad", func="$lambda x: x * 2")], "Lambda is not followed"),
        ([step("RandFlipd", prob=0.5)], "RandFlip is not followed"),
        ([step("Resized", spatial_size="$[n for n in (8, 8, 8)]")], "spatial_size is a piece of Python"),
        ([step("Resized", spatial_size=[24, -1, 16])], "with sizes"),
        ([step("Resized", spatial_size=16, mode="nearest")], "mode = nearest"),
        ([step("Resized", spatial_size=16, mode="trilinear", align_corners=True)], "align_corners = True"),
        ([step("Resized", spatial_size=16, anti_aliasing=True)], "anti_aliasing = True"),
        ([step("Spacingd", pixdim=[1, 1, 1], diagonal=True)], "diagonal = True"),
        ([step("ResizeWithPadOrCropd", spatial_size=16, mode="edge")], "mode = edge"),
        ([step("ScaleIntensityd", factor=0.1)], "both a factor and a range"),
        ([step("NormalizeIntensityd", subtrahend=3.0)], "taken from the image"),
        ([step("ScaleIntensityRanged", a_min=1, a_max=1)], "without a range"),
        ([RESIZE, step("NormalizeIntensityd"), RESIZE], "all of these come after it"),
        ([step("Spacingd", pixdim=[2, 2, 2]), RAS], "orients the image after other steps"),
        ([PAD, step("ScaleIntensityRanged", a_min=9, a_max=99), PAD], "all of these come after it"),
        (["$monai.transforms.Identity()"], "a piece of Python, which is not run"),
        ([step("CropForegroundd", source_key="label")], "source_key = label"),
    ],
)
def test_what_is_not_followed_is_said_with_every_answer(tmp_path, transforms, said):
    folder = bundle(tmp_path / "bundle", transforms)
    classifier = load_package(folder)
    assert any(said in doubt for doubt in classifier.doubts)
    assert any(said in line for line in check_package(folder))
    image = oblique_nifti(tmp_path / "image.nii")
    assert any(said in warning for warning in classifier.predict(first_volume(image)).warnings)


def test_transforms_of_other_keys_and_switched_off_ones_do_not_count():
    found = read_transforms([step("Resized", spatial_size=4) | {"keys": ["label"]}], 3, 1)
    assert found.spatial == ()
    found = read_transforms([step("Resized", spatial_size=4) | {"keys": ["label", "image"]}], 3, 1)
    assert found.spatial[0]["to"] == [4, 4, 4]
    assert read_transforms([step("Resized", spatial_size=4) | {"_disabled_": True}], 3, 1).spatial == ()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Resized", "Resize"),
        ("monai.transforms.ResizeDict", "Resize"),
        ("SpatialPad", "SpatialPad"),
        ("SpatialPadd", "SpatialPad"),
        ("monai.transforms.intensity.dictionary.ScaleIntensityD", "ScaleIntensity"),
    ],
)
def test_all_spellings_of_a_transform_are_one(name, plain):
    assert transform_name({"_target_": name}) == plain


def test_references_are_followed_and_expressions_stay_text():
    tables = {
        "size": [8, 9],
        "again": "@size",
        "literal": "$[1, 2.5, None]",
        "code": "$__import__('os').system('true')",
        "first": [{"a": "@size#1"}],
        "second": [2],
        "both": "$@first + @second",
        "deep": {"x": "@first::0::a"},
        "lost": "@nowhere#3",
    }
    config = BundleConfig(tables)
    assert config.get("again") == [8, 9]
    assert config.get("literal") == [1, 2.5, None]
    assert config.get("code") == tables["code"]
    assert config.get("both") == [{"a": 9}, 2]
    assert config.get("deep") == {"x": 9}
    assert config.get("lost") is None
    assert BundleConfig({"a": "@b#1", "b": "@c", "c": [3, "@size"], "size": [4]}).get("a") == [4]


@pytest.mark.parametrize(
    "tables",
    [
        {"a": ["@a"]},
        {"a": "@a#b"},
        {"a": "@b#x", "b": "@a#x"},
        {"a": "$@a + @a"},
        {f"{'abcdefghij'[k]}": [f"@{'abcdefghij'[k + 1]}"] * 10 for k in range(9)} | {"j": 1},
    ],
)
def test_references_without_end_are_refused(tables):
    with pytest.raises(UserError, match="refers to itself, or to far too much"):
        BundleConfig(tables).get("a")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"network_def": {"_target_": "os.system", "command": "touch attacked"}}, "not one of MONAI's own"),
        ({"network_def": {"_target_": "scripts.net.Net"}}, "not one of MONAI's own"),
        ({"network_def": {"_target_": "DenseNett"}}, "MONAI has no network 'DenseNett'"),
        ({"network_def": network() | {"act": "$exec('x')"}}, "its argument 'act' is a piece of Python"),
        ({"network_def": network() | {"norm": {"_target_": "os.getcwd"}}}, "its argument 'norm'"),
        ({"network_def": network() | {"out_channels": 5}}, "weights are for 2 classes"),
    ],
)
def test_networks_that_would_need_code_are_refused(tmp_path, monkeypatch, changed, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load_package(bundle(tmp_path / "bundle", [RESIZE], inference=changed))
    assert not (tmp_path / "attacked").exists()


def test_a_network_of_the_bundles_own_is_taken_from_its_program(tmp_path):
    folder = bundle(tmp_path / "bundle", [RESIZE], inference={"network_def": {"_target_": "scripts.net.Net"}})
    (folder / "models" / "model.ts").write_bytes(b"")
    card, _ = read_card(folder)
    assert (card.architecture, card.weights, card.arguments) == ("torchscript", "models/model.ts", {})


def test_a_bundle_of_several_channels_inputs_or_a_segmentation_is_refused(tmp_path):
    four = bundle(tmp_path / "four", [RESIZE], metadata(channels=4))
    with pytest.raises(UserError, match="takes 4 channels"):
        load_package(four)
    two = metadata()
    two["network_data_format"]["inputs"]["second"] = {"num_channels": 1}
    with pytest.raises(UserError, match="2 inputs"):
        load_package(bundle(tmp_path / "two", [RESIZE], two))
    organs = metadata(task="Spleen segmentation")
    with pytest.raises(UserError, match="segmentation network"):
        load_package(bundle(tmp_path / "organs", [RESIZE], organs))


def test_a_bundle_with_missing_or_broken_parts_says_which(tmp_path):
    folder = bundle(tmp_path / "bundle", [RESIZE])
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(UserError, match=r"no models/model\.pt"):
        load_package(folder)
    (folder / "configs" / "inference.json").write_text("{")
    with pytest.raises(UserError, match=r"inference\.json of the MONAI bundle cannot be read"):
        load_package(folder)
    (folder / "configs" / "inference.json").unlink()
    with pytest.raises(UserError, match=r"no configs/inference\.json"):
        load_package(folder)


def test_a_pickled_model_in_a_bundle_is_refused(tmp_path):
    folder = bundle(tmp_path / "bundle", [RESIZE])
    torch.save(torch.nn.Linear(2, 2), folder / "models" / "model.pt")
    with pytest.raises(UserError, match="whole pickled model"):
        load_package(folder)


@pytest.mark.parametrize(
    ("post", "count", "activation", "threshold"),
    [
        ([{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}], 2, "sigmoid", None),
        (
            [{"_target_": "Activationsd", "sigmoid": True}, {"_target_": "AsDiscreted", "threshold": 0.4}],
            2,
            "sigmoid",
            0.4,
        ),
        ([{"_target_": "AsDiscreted", "argmax": True}], 2, "softmax", None),
        ([], 2, "softmax", None),
    ],
)
def test_the_activation_is_that_of_the_bundles_postprocessing(tmp_path, post, count, activation, threshold):
    inference = {"postprocessing": {"_target_": "Compose", "transforms": post}}
    classifier = load_package(bundle(tmp_path / "bundle", [RESIZE], inference=inference))
    assert (classifier.card.output.activation, classifier.card.output.threshold) == (activation, threshold)
    assert bool(classifier.doubts) == (not post)


def test_a_bundle_inside_a_zip_with_other_files_is_found(tmp_path):
    folder = bundle(tmp_path / "bundle", [RESIZE])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"top/{path.relative_to(folder)}")
        archive.writestr("readme.txt", "hello")
    assert load_package(tmp_path / "b.zip").card.name == "Test bundle"
