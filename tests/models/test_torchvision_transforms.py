"""Transforms of torchvision and timm, and the card that was read from them, on real images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models, transforms
from torchvision.transforms import InterpolationMode, v2

from saliency_viewer.domain import ExplainSpec, InputSpec, ModelCard, OutputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models import card_to_toml, parse_card
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.models.torchvision_transforms import spec_named, spec_of_timm, spec_of_transforms
from saliency_viewer.readers import open_study

FILES = (
    "cxr/images/00870a9c.jpg",
    "dicom_edge/pydicom/examples_ybr_color.dcm",
    "dicom_edge/pydicom-data/HTJ2KLossless_08_RGB.dcm",
)
GREY = 1 / 255
ROUNDED = 1.01 * GREY  # Pillow rounds after rows and after columns
CUT = 5 * GREY  # it also cuts a cubic curve off at 0 and 255 both times, a card once


def limit(spec):
    """How far Pillow may be from the card."""
    return CUT if "cubic" in str(spec) else ROUNDED


@pytest.fixture(scope="module", params=FILES, ids=["radiograph", "ultrasound", "photograph"])
def volume(request, shared_data):
    return open_study(shared_data / request.param).choose().load()


def picture(volume):
    """(row, column, 3) bytes."""
    grey = volume.array[0].astype(np.uint8)
    return volume.colour[0] if volume.colour is not None else np.repeat(grey[..., None], 3, axis=-1)


def tensor(volume):
    return torch.from_numpy(np.ascontiguousarray(picture(volume).transpose(2, 0, 1)))


def ours(spec, volume):
    return Preparation(spec, volume).of((0,)).inputs[0]


def deviation(spec, volume, theirs):
    """The largest difference, on the scale of 0 to 1 that images have before they are normalised."""
    steps = [*spec.intensity, *spec.intensity_after]
    std = next((step["std"] for step in steps if step["step"] == "normalize"), [1.0])
    found = ours(spec, volume)
    assert found.shape == theirs.shape
    return float(((found - theirs) * torch.tensor(std).reshape(-1, 1, 1)).abs().max())


PRESETS = (
    "ResNet50_Weights.IMAGENET1K_V1",
    "ResNet50_Weights.IMAGENET1K_V2",
    "Inception_V3_Weights.IMAGENET1K_V1",
    "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1",  # bicubic
    "EfficientNet_B0_Weights.IMAGENET1K_V1",  # bicubic
)


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_of_weights_are_read(volume, name):
    preset = models.get_weight(name).transforms()
    spec = spec_named(f"torchvision:{name}")
    assert (spec.fit, spec.resize, spec.size) == ("crop", preset.resize_size[0], tuple(preset.crop_size * 2))
    assert deviation(spec, volume, preset(Image.fromarray(picture(volume)))) < limit(spec)
    assert deviation(spec, volume, preset(tensor(volume))) < 0.51 * GREY
    if preset.interpolation == InterpolationMode.BILINEAR:  # a cubic curve of floats goes beyond 0 and 1
        assert deviation(spec, volume, preset(tensor(volume).float() / 255)) < 0.01 * GREY


IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
TO_FLOAT = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
COMPOSED = {
    "stretch": transforms.Compose(
        [transforms.Resize((224, 200)), transforms.ToTensor(), transforms.Normalize(**IMAGENET)]
    ),
    "stretch by nearest": transforms.Compose(  # to sizes where no centre lies on the edge between two pixels
        [transforms.Resize((128, 128), InterpolationMode.NEAREST), transforms.ToTensor()]
    ),
    "bicubic and crop": transforms.Compose(
        [transforms.Resize(256, InterpolationMode.BICUBIC), transforms.CenterCrop(224), transforms.ToTensor()]
    ),
    "stretch and crop": v2.Compose([v2.Resize((256, 280)), v2.CenterCrop((224, 230)), *TO_FLOAT]),
    "crop or pad": v2.Compose([v2.CenterCrop((700, 300)), *TO_FLOAT, v2.Normalize(**IMAGENET)]),
    "padded": v2.Compose([v2.Pad((3, 8), fill=90), v2.Resize((100, 120)), *TO_FLOAT, v2.Normalize(**IMAGENET)]),
    "bicubic of a padded one": v2.Compose(
        [v2.Pad([1, 2, 30, 4], fill=255), v2.Resize((100, 120), InterpolationMode.BICUBIC), *TO_FLOAT]
    ),
    "longer side left": v2.Compose([v2.Resize(97), *TO_FLOAT, v2.Normalize(**IMAGENET)]),
    "nested": transforms.Compose([transforms.Compose([transforms.Resize((64, 64))]), transforms.ToTensor()]),
    "bytes kept": transforms.Compose([transforms.Resize((64, 64)), transforms.PILToTensor()]),
}


@pytest.mark.parametrize("composed", COMPOSED.values(), ids=COMPOSED.keys())
def test_composed_transforms_are_read(volume, composed):
    theirs = composed(Image.fromarray(picture(volume))).float()
    spec = spec_of_transforms(composed)
    assert deviation(spec, volume, theirs) < limit(spec) * (1 if theirs.max() < 100 else 255)


TENSORS = {
    "without antialias": [*TO_FLOAT, v2.Resize((90, 80), antialias=False)],
    "bicubic after scaling": [*TO_FLOAT, v2.Resize((90, 80), InterpolationMode.BICUBIC), v2.Normalize(**IMAGENET)],
    "normalised first": [*TO_FLOAT, v2.Normalize(**IMAGENET), v2.Resize(99), v2.CenterCrop(88)],
    "padded after normalising": [*TO_FLOAT, v2.Normalize(**IMAGENET), v2.Pad(9, fill=0.25), v2.Resize((64, 48))],
}


@pytest.mark.parametrize("listed", TENSORS.values(), ids=TENSORS.keys())
def test_transforms_of_tensors_are_equalled_without_rounding(volume, listed):
    theirs = v2.Compose(listed)(picture(volume))
    assert deviation(spec_of_transforms(listed), volume, theirs) < 0.01 * GREY


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_networks_see_the_brightness(volume, channels):
    listed = [transforms.Grayscale(channels), transforms.Resize((64, 64)), transforms.ToTensor()]
    spec = spec_of_transforms(listed)
    assert (spec.channels, spec.colour) == (channels, "grey")
    theirs = transforms.Compose(listed)(Image.fromarray(picture(volume)))
    assert deviation(spec, volume, theirs) < 1.6 * GREY  # the brightness itself is rounded too


CONFIG = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 0.9, **IMAGENET}
CONFIGS = {
    "centre": CONFIG,
    "bilinear": {**CONFIG, "interpolation": "bilinear", "crop_pct": None},
    "whole": {**CONFIG, "crop_pct": 1.0},
    "squash": {**CONFIG, "crop_mode": "squash"},
    "squash whole": {**CONFIG, "crop_mode": "squash", "crop_pct": 1.0},
    "border": {**CONFIG, "crop_mode": "border"},
    "border whole": {**CONFIG, "crop_mode": "border", "crop_pct": 1.0},
    "not square": {**CONFIG, "input_size": (3, 160, 224)},
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_timms_data_configs_are_read(volume, config):
    from timm.data import create_transform

    wanted = {key: value for key, value in config.items() if value is not None}
    theirs = create_transform(**wanted)(Image.fromarray(picture(volume)))
    spec = spec_of_timm(config)
    # Borders as bright as the mean are added last, so that the curve beyond 0 and 1 stays.
    assert deviation(spec, volume, theirs) < (12 * GREY if config.get("crop_mode") == "border" else limit(spec))


def test_timms_models_are_found_by_name():
    spec = spec_named("timm:resnet50.a1_in1k")
    assert (spec.size, spec.resize, spec.interpolation) == ((224, 224), 235, "cubic")


def test_what_was_read_can_be_written_into_a_card():
    for composed in (*COMPOSED.values(), *TENSORS.values()):
        spec = spec_of_transforms(composed)
        card = ModelCard("n", "1", "builtin:x", "w", OutputSpec(("a", "b")), spec, ExplainSpec())
        assert parse_card(card_to_toml(card)) == card


def test_short_keys_are_used_where_they_say_the_same():
    assert spec_of_transforms(COMPOSED["stretch"]).fit == "stretch"
    assert spec_of_transforms([v2.Resize((64, 64)), v2.CenterCrop((60, 50))]).resize == (64, 64)
    assert spec_of_timm({**CONFIGS["border whole"], "interpolation": "bilinear"}).fit == "letterbox"
    assert spec_of_transforms(COMPOSED["longer side left"]).size == ()
    assert spec_of_transforms([v2.ToImage()]) == InputSpec(channels=3, fit="none")


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ([transforms.RandomResizedCrop(224)], "RandomResizedCrop"),
        ([transforms.Lambda(lambda x: x)], "Lambda"),
        ([lambda x: x], "function"),
        ([transforms.Resize(20, max_size=40)], "max_size"),
        ([transforms.Resize(20, InterpolationMode.LANCZOS)], "lanczos"),
        ([transforms.Pad(3, padding_mode="reflect")], "one value"),
        ([transforms.Pad(3, fill=(1, 2, 3))], "one value"),
        ([transforms.Pad(3, fill=1), transforms.Pad(3, fill=2)], "two different"),
    ],
)
def test_what_no_card_can_say_is_refused_by_name(listed, named):
    with pytest.raises(UserError, match=named):
        spec_of_transforms(transforms.Compose(listed))


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("torchvision:Resnet50_Weights.IMAGENET1K_V2", "ResNet50_Weights.IMAGENET1K_V2"),
        ("torchvision:nonsense", "_Weights"),
        ("timm:resnet5x", "resnet50"),
        ("resnet50", "torchvision:WEIGHTS"),
    ],
)
def test_an_unknown_name_is_told_what_is_near(name, cure):
    with pytest.raises(UserError) as caught:
        spec_named(name)
    assert cure in caught.value.hint
