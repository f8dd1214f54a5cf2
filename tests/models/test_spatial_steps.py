"""Every spatial step against the library whose pipelines it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models import parse_card
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.spatial import Geometry


def seen(make, array, geometry=None, **spec):
    """What a network gets of an image, without its batch and channel axes."""
    spec.setdefault("layout", "3d" if array.ndim == 3 else "2d")
    volume = make.volume(array if array.ndim == 3 else array[None], geometry)
    return Preparation(InputSpec(**spec), volume).of((0,)).inputs[0, 0].numpy()


def steps(make, array, *listed, geometry=None, **spec):
    return seen(make, array, geometry, fit="none", spatial=listed, **spec)


def block(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def of_monai(transform, array):
    return np.asarray(transform(torch.from_numpy(array)[None]))[0]


SIZES = [((9, 12, 7), (6, 20, 7)), ((8, 13, 10), (5, 4, 15)), ((5, 6, 7), (4, 3, 2)), ((6, 6, 5), (3, 9, 8))]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_pad_equals_monais_resize_with_pad_or_crop(make, shape, size):
    from monai.transforms import ResizeWithPadOrCrop

    array = block(*shape)
    np.testing.assert_array_equal(
        seen(make, array, size=size, fit="pad"), of_monai(ResizeWithPadOrCrop(size), array)
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), [(shape[1:], size[1:]) for shape, size in SIZES])
def test_crop_equals_torchvisions_centre_crop_whose_odd_cell_is_elsewhere(make, shape, size):
    from torchvision.transforms import v2

    array = block(*shape)
    theirs = v2.CenterCrop(size)(torch.from_numpy(array)[None])[0].numpy()
    np.testing.assert_array_equal(seen(make, array, size=size, fit="crop"), theirs)


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_single_crops_and_pads_equal_monais(make, shape, size):
    from monai.transforms import BorderPad, CenterSpatialCrop, DivisiblePad, SpatialPad

    array = block(*shape)
    size = list(size)
    crop = {"step": "crop", "size": size, "middle": "monai"}
    np.testing.assert_array_equal(steps(make, array, crop), of_monai(CenterSpatialCrop(size), array))
    pad = {"step": "pad", "size": size}
    np.testing.assert_array_equal(steps(make, array, pad), of_monai(SpatialPad(size), array))
    multiple = {"step": "pad", "multiple": 4}
    np.testing.assert_array_equal(steps(make, array, multiple), of_monai(DivisiblePad(4), array))
    border = {"step": "pad", "by": [[1, 2], [0, 3], [4, 0]]}
    np.testing.assert_array_equal(steps(make, array, border), of_monai(BorderPad([1, 2, 0, 3, 4, 0]), array))


def test_borders_are_cut_as_they_are_written(make):
    array = block(9, 10, 11)
    np.testing.assert_array_equal(
        steps(make, array, {"step": "crop", "by": [[1, 2], 3, [0, 4]]}), array[1:-2, 3:-3, :-4]
    )
    with pytest.raises(UserError, match="nothing would be left"):
        steps(make, array, {"step": "crop", "by": [4, 5, 1]})


@pytest.mark.parametrize("margin", [0, 2])
def test_the_foreground_equals_monais(make, margin):
    from monai.transforms import CropForeground

    array = np.zeros((12, 15, 14), dtype=np.float32)
    array[3:8, 6:7, 9:13] = block(5, 1, 4) + 0.1
    theirs = of_monai(CropForeground(margin=margin, allow_smaller=True), array)
    np.testing.assert_array_equal(steps(make, array, {"step": "foreground", "margin": margin}), theirs)


def test_the_foreground_is_looked_for_in_the_image_as_it_is_by_then(make):
    array = block(30, 40) * 100
    array[10:20, 15:33] += 900
    level = [{"step": "clip", "low": 500, "high": 1000}, {"step": "scale"}]
    above = steps(make, array, {"step": "foreground", "above": 0.2}, intensity=tuple(level))
    assert above.shape == (10, 18)
    otsu = steps(make, array, {"step": "foreground", "of": "foreground"})
    assert otsu.shape == (10, 18)
    doubled = steps(
        make,
        array,
        {"step": "resize", "to": [60, 80], "interpolation": "nearest"},
        {"step": "foreground", "above": 500},
    )
    assert doubled.shape == (20, 36)
    assert steps(make, array, {"step": "foreground", "above": 5000}).shape == (30, 40)  # nothing: the whole


def test_a_slice_wise_network_gets_one_foreground_for_all_its_slices(make):
    array = np.zeros((40, 20, 20), dtype=np.float32)
    array[2, 5:9, 6:8] = 1
    array[37, 8:12, 3:7] = 1
    spec = InputSpec(fit="none", spatial=({"step": "foreground"},))
    assert Preparation(spec, make.volume(array)).of((0, 20)).inputs.shape == (2, 1, 7, 5)


@pytest.mark.parametrize(("old", "new"), [((23, 31, 17), (9, 40, 17)), ((8, 64, 50), (8, 13, 7))])
def test_area_equals_torch_which_is_monais_usual_resize(make, old, new):
    from monai.transforms import Resize

    array = block(*old)
    ours = seen(make, array, size=new, fit="stretch", interpolation="area")
    np.testing.assert_allclose(ours, of_monai(Resize(new), array), atol=1e-6)
    plane = seen(make, array[0], size=new[1:], fit="stretch", interpolation="area")
    theirs = interpolate(torch.from_numpy(array[:1])[None], new[1:], mode="area")[0, 0].numpy()
    np.testing.assert_allclose(plane, theirs, atol=1e-6)


def test_the_longest_side_equals_monais(make):
    from monai.transforms import Resize

    array = block(20, 31, 17)
    ours = steps(make, array, {"step": "resize", "within": [12, 12, 12]}, antialias=False)
    theirs = of_monai(Resize(12, size_mode="longest", mode="trilinear", align_corners=False), array)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (4.0, 0.7, 2.4)])
def test_spacing_from_the_first_centre_equals_monais(make, spacing):
    from monai.data import MetaTensor
    from monai.transforms import Spacing

    array = block(12, 17, 15)
    geometry = Geometry.from_spacing(array.shape, spacing, "patient", True)
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))  # of MONAI's axes, here in our order
    theirs = Spacing((1.5, 1.5, 1.5))(MetaTensor(torch.from_numpy(array)[None], affine=affine))
    step = {"step": "spacing", "to": [1.5, 1.5, 1.5], "keep": "centres"}
    ours = steps(make, array, step, geometry=geometry, antialias=False)
    np.testing.assert_allclose(ours, np.asarray(theirs)[0], atol=1e-4)


def test_a_padded_image_is_resized_with_its_padding(make):
    array = block(20, 30) + 5
    listed = [{"step": "pad", "size": [30, 30]}, {"step": "resize", "to": [12, 12]}]
    ours = steps(make, array, *listed, pad_value=-3.0)
    padded = torch.nn.functional.pad(torch.from_numpy(array)[None, None], (0, 0, 5, 5), value=-3.0)
    theirs = interpolate(padded, (12, 12), mode="bilinear", antialias=True)[0, 0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_steps_may_have_an_interpolation_of_their_own(make):
    array = block(20, 30)
    ours = steps(make, array, {"step": "resize", "to": [7, 9], "interpolation": "cubic", "antialias": False})
    theirs = interpolate(torch.from_numpy(array)[None, None], (7, 9), mode="bicubic", align_corners=False)[0, 0]
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_short_keys_are_lists_of_steps(make):
    array = block(50, 41)
    for short, listed in (
        ({"size": (24, 20)}, [{"step": "resize", "within": [24, 20]}, {"step": "pad", "size": [24, 20]}]),
        ({"size": (24, 20), "fit": "stretch"}, [{"step": "resize", "to": [24, 20]}]),
        (
            {"size": (24, 20), "fit": "crop", "resize": 30},
            [{"step": "resize", "shorter": 30}, {"step": "crop", "size": [24, 20]}],
        ),
        (
            {"size": (24, 20), "fit": "crop", "resize": (28, 28)},
            [{"step": "resize", "to": [28, 28]}, {"step": "crop", "size": [24, 20]}],
        ),
        ({"fit": "crop", "resize": 30}, [{"step": "resize", "shorter": 30}]),
    ):
        np.testing.assert_array_equal(seen(make, array, **short), steps(make, array, *listed))


def test_sizes_that_differ_reach_the_network_as_they_are(make):
    model = make.classifier(make.Mean(1.0, 2.0), inputs='fit = "none"')
    for shape in ((1, 30, 20), (1, 17, 44)):
        prepared = model.prepare(make.volume(block(*shape)))
        assert tuple(prepared.inputs.shape) == (1, *shape)
        assert np.isfinite(model.project(prepared.inputs, prepared)).all()


def test_a_resampled_image_that_is_mostly_invented_is_said(make):
    image = make.volume(block(6, 20, 20), make.oblique((6, 20, 20), (5.0, 1.0, 1.0)))
    inputs = 'layout = "3d"\nsize = [32, 32, 32]\nspacing = [1.0, 1.0, 1.0]'
    model = make.classifier(make.Mean(1.0, 2.0), inputs=inputs)
    assert "5 times finer" in model.predict(image).warnings[0]
    # A card that says itself which distances it was made for is taken at its word.
    own = 'name = "t"\narchitecture = "builtin:none"\nslice_spacing = [1, 6]'
    assert make.classifier(make.Mean(1.0, 2.0), inputs=inputs, model=own).predict(image).warnings == ()
    near = make.volume(image.array, make.oblique((6, 20, 20), (2.5, 1.0, 1.0)))
    assert model.predict(near).warnings == ()


@pytest.mark.parametrize(
    ("listed", "named", "cure"),
    [
        ("{ step = 'resise' }", "resise", "resize"),
        ("{ step = 'resize' }", "one of the keys", "shorter"),
        ("{ step = 'resize', to = [3, 3], shorter = 4 }", "one of the keys", "within"),
        ("{ step = 'resize', to = [3] }", "step 1.to", "2 whole numbers"),
        ("{ step = 'pad', by = [1, [2, -1]] }", "step 1.by", "before"),
        ("{ step = 'crop', size = [4, 4], middle = 'left' }", "middle", "monai"),
        ("{ step = 'spacing', to = [1, -1] }", "step 1.to", "positive"),
        ("{ step = 'foreground', above = 1, of = 'nonzero' }", "step 1.of", "not both"),
        ("{ step = 'foreground', margn = 1 }", "margn", "margin"),
        ("'resize'", "list of tables", "shorter"),
    ],
)
def test_a_wrong_step_names_itself_and_what_is_right(make, listed, named, cure):
    with pytest.raises(UserError) as caught:
        parse_card(make.card_text(inputs=f"spatial = [{listed}]"))
    assert named in caught.value.message
    assert cure in caught.value.hint


@pytest.mark.parametrize("key", ['fit = "crop"', "spacing = [1, 1]", "resize = 4"])
def test_a_list_of_steps_stands_alone(make, key):
    with pytest.raises(UserError, match=key.split()[0]):
        parse_card(make.card_text(inputs=f"{key}\nspatial = [{{ step = 'resize', to = [4, 4] }}]"))
