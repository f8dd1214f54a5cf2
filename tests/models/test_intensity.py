"""Intensity steps against the libraries whose pipelines they stand for, per volume, per slice, before and after."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import SimpleITK
import torch

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models import parse_card
from saliency_viewer.models.prepared import Preparation


def prepared(make, volume, slices=(0,), **spec):
    spec.setdefault("fit", "none")
    return Preparation(InputSpec(**spec), volume).of(slices)


def seen(make, volume, *steps, slices=(0,), **spec):
    """(sample, channel, *spatial) after the steps."""
    return prepared(make, volume, slices, intensity=steps, **spec).inputs.numpy()


def scan(shape=(5, 24, 20), seed=0):
    """A bright body on a background of zeros."""
    rng = np.random.default_rng(seed)
    values = np.zeros(shape, dtype=np.float32)
    inside = (slice(None), slice(4, -3), slice(3, -5))
    values[inside] = rng.normal(400, 60, values[inside].shape) * np.linspace(0.5, 1.5, shape[0])[:, None, None]
    return values


def whole(make, values, *steps):
    return seen(make, make.volume(values), *steps, layout="3d")[0, 0]


def test_zscore_of_nonzero_equals_monais(make):
    from monai.transforms import NormalizeIntensity

    values = scan()
    theirs = NormalizeIntensity(nonzero=True)(torch.from_numpy(values.copy())[None])[0]
    np.testing.assert_allclose(whole(make, values, {"step": "zscore", "of": "nonzero"}), np.asarray(theirs), atol=1e-5)


def test_zscore_above_the_mean_is_torchios_z_normalisation(make):
    values = scan()
    inside = values[values > values.mean()].astype(np.float64)
    expected = (values - inside.mean()) / inside.std()  # torchio changes what lies outside too
    np.testing.assert_allclose(whole(make, values, {"step": "zscore", "of": "above_mean"}), expected, atol=1e-5)
    zeroed = whole(make, values, {"step": "zscore", "of": "above_mean", "outside": "zero"})
    np.testing.assert_allclose(zeroed, np.where(values > values.mean(), expected, 0), atol=1e-5)


def test_zscore_above_a_value_counts_what_lies_above_it(make):
    values = scan()
    inside = values[values > 350].astype(np.float64)
    expected = (values - inside.mean()) / inside.std()
    np.testing.assert_allclose(whole(make, values, {"step": "zscore", "above": 350}), expected, atol=1e-5)


def test_the_foreground_is_otsus(make):
    values = scan()
    mask = SimpleITK.OtsuThreshold(SimpleITK.GetImageFromArray(values), 0, 1, 256)
    inside = values[SimpleITK.GetArrayFromImage(mask) > 0].astype(np.float64)
    expected = (values - inside.mean()) / inside.std()
    np.testing.assert_allclose(whole(make, values, {"step": "zscore", "of": "foreground"}), expected, atol=2e-3)


def test_percentiles_to_an_interval_equal_monais(make):
    from monai.transforms import ScaleIntensityRangePercentiles

    values = scan()
    theirs = ScaleIntensityRangePercentiles(2, 95, -1, 1, clip=True)(torch.from_numpy(values)[None])[0]
    ours = whole(make, values, {"step": "percentile", "low": 2, "high": 95}, {"step": "scale", "to": [-1, 1]})
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-5)


def test_percentiles_and_extremes_of_a_part_change_everything_by_it(make):
    values = scan()
    inside = values[values != 0]
    ends = np.percentile(inside, [1, 99])
    clipped = whole(make, values, {"step": "percentile", "of": "nonzero"})
    np.testing.assert_allclose(clipped, np.clip(values, *ends), rtol=1e-6)
    spread = whole(make, values, {"step": "minmax", "of": "nonzero"})
    np.testing.assert_allclose(spread, (values - inside.min()) / (inside.max() - inside.min()), atol=1e-5)


def test_gamma_equals_monais_contrast_and_torchvisions(make):
    from monai.transforms import AdjustContrast
    from torchvision.transforms.v2.functional import adjust_gamma

    values = scan()
    theirs = AdjustContrast(0.6)(torch.from_numpy(values)[None])[0]
    np.testing.assert_allclose(
        whole(make, values, {"step": "gamma", "gamma": 0.6}), np.asarray(theirs), rtol=1e-4, atol=1e-3
    )
    grey = np.random.default_rng(1).integers(0, 256, (1, 9, 9)).astype(np.uint8)
    ours = seen(make, make.volume(grey, value_range=(0.0, 255.0)), {"step": "scale"}, {"step": "gamma", "gamma": 2.2})
    expected = adjust_gamma(torch.from_numpy(grey / np.float32(255)), 2.2)
    np.testing.assert_allclose(ours[0], expected.numpy(), atol=1e-5)


def test_inverting_gives_back_the_stored_values_of_monochrome1(make):
    stored = np.random.default_rng(2).integers(0, 4096, (1, 8, 9)).astype(np.int16)
    brighter_is_higher = make.volume(4095 - stored, value_range=(0.0, 4095.0))  # as readers turn it round
    found = prepared(make, brighter_is_higher, intensity=({"step": "invert"},))
    np.testing.assert_array_equal(found.inputs[0].numpy(), stored)
    assert (found.darkest.item(), found.brightest.item()) == (4095.0, 0.0)


def photograph(shape=(61, 83), seed=3):
    """A smooth picture of 8 bits that does not use all its greys."""
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, shape, dtype=np.uint8), (0, 0), 4)


def test_equalising_equals_opencv(make):
    picture = photograph()
    ours = seen(make, make.volume(picture[None], value_range=(0.0, 255.0)), {"step": "equalize"})[0, 0]
    assert np.abs(ours - cv2.equalizeHist(picture)).max() <= 0.5 + 1e-3  # OpenCV rounds to whole greys
    flat = np.full((1, 5, 5), 77, dtype=np.uint8)
    assert (seen(make, make.volume(flat, value_range=(0.0, 255.0)), {"step": "equalize"}) == 77).all()


def test_equalising_takes_every_colour_by_itself(make):
    colour = np.stack([photograph(seed=k) for k in range(3)], axis=-1)[None]
    image = make.volume(colour[..., 0], colour=colour)
    ours = seen(make, image, {"step": "equalize"}, channels=3)[0]
    for channel in range(3):
        theirs = cv2.equalizeHist(np.ascontiguousarray(colour[0, ..., channel]))
        assert np.abs(ours[channel] - theirs).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(("clip", "tiles"), [(2.0, (8, 8)), (40.0, (4, 3)), (0.0, (2, 2)), (1.0, (8, 8))])
@pytest.mark.parametrize("shape", [(64, 96), (61, 83)])
def test_clahe_equals_opencv(make, clip, tiles, shape):
    picture = photograph(shape)
    image = make.volume(np.stack([picture, picture[::-1]]), value_range=(0.0, 255.0))
    step = {"step": "clahe", "clip": clip, "tiles": list(tiles)}
    ours = seen(make, image, step, slices=(1, 0))
    theirs = cv2.createCLAHE(clip, tiles[::-1])
    for found, plane in zip(ours[:, 0], (picture[::-1], picture), strict=True):
        assert np.abs(found - theirs.apply(np.ascontiguousarray(plane))).max() <= 1.0  # its tables are rounded too


STEPS_BY_SLICE = {
    "zscore": ({"step": "zscore", "per": "slice"}, lambda v: (v - v.mean()) / v.std()),
    "minmax": ({"step": "minmax", "per": "slice"}, lambda v: (v - v.min()) / (v.max() - v.min())),
    "nonzero": (
        {"step": "zscore", "of": "nonzero", "per": "slice"},
        lambda v: np.where(v != 0, (v - v[v != 0].mean()) / v[v != 0].std(), 0),
    ),
    "percentile": (
        {"step": "percentile", "low": 5, "high": 90, "per": "slice"},
        lambda v: np.clip(v, *np.percentile(v, [5, 90])),
    ),
}


@pytest.mark.parametrize("place", ["intensity", "intensity_after"])
@pytest.mark.parametrize(("step", "formula"), STEPS_BY_SLICE.values(), ids=STEPS_BY_SLICE.keys())
def test_a_step_per_slice_sees_that_slice_alone_in_whatever_company(make, step, formula, place):
    values = scan()
    image = make.volume(values)
    for slices in ((3,), (0, 3, 4), (4, 3)):
        found = prepared(make, image, slices, **{place: (step,)}).inputs.numpy()
        for sample, index in zip(found[:, 0], slices, strict=True):
            np.testing.assert_allclose(sample, formula(values[index].astype(np.float64)), atol=2e-4)


def test_steps_after_one_per_slice_start_from_what_it_made_of_that_slice(make):
    values = scan()
    steps = ({"step": "percentile", "per": "slice"}, {"step": "scale"})
    for place in ({"intensity": steps}, {"intensity": steps[:1], "intensity_after": steps[1:]}):
        found = prepared(make, make.volume(values), (1, 4), **place).inputs.numpy()
        assert found.min(axis=(1, 2, 3)).tolist() == [0, 0]
        np.testing.assert_allclose(found.max(axis=(1, 2, 3)), 1, atol=1e-6)


def test_the_darkest_value_is_known_for_every_slice_and_neighbour(make):
    values = scan()
    image = make.volume(values, value_range=(0.0, 2000.0))
    step = ({"step": "zscore", "per": "slice"},)
    plain = [-values[k].mean() / values[k].std() for k in range(5)]
    found = prepared(make, image, (1, 3), intensity=step)
    np.testing.assert_allclose(found.darkest[:, 0], [plain[1], plain[3]], rtol=1e-4)
    stacked = prepared(make, image, (0, 3), intensity=step, layout="2.5d", channels=3)
    np.testing.assert_allclose(stacked.darkest, [[plain[0], plain[0], plain[1]], plain[2:5]], rtol=1e-4)
    model = make.classifier(
        make.Mean(1.0, 2.0),
        inputs='fit = "none"\nlayout = "2.5d"\nchannels = 3\nintensity = [{ step = "zscore", per = "slice" }]',
    )
    ready = model.prepare(image, (0, 3))
    baseline = model.baseline(ready)
    np.testing.assert_allclose(baseline[:, :, 0, 0].numpy(), stacked.darkest)
    low, high = model.input_range(ready)
    assert (low <= ready.inputs).all()
    assert (high >= ready.inputs).all()


def test_a_3d_network_may_have_its_slices_normalised_one_by_one(make):
    values = scan()
    found = prepared(make, make.volume(values), layout="3d", intensity=({"step": "minmax", "per": "slice"},))
    expected = values / values.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found.inputs[0, 0].numpy(), expected, atol=1e-6)


def test_statistics_after_the_spatial_steps_are_those_of_what_is_left(make):
    values = scan()
    crop = ({"step": "crop", "size": [5, 10, 8]},)
    after = ({"step": "zscore"},)
    ours = prepared(make, make.volume(values), layout="3d", spatial=crop, intensity_after=after).inputs[0, 0].numpy()
    left = values[:, 7:17, 6:14].astype(np.float64)
    np.testing.assert_allclose(ours, (left - left.mean()) / left.std(), atol=1e-4)
    # The same for a slice-wise network: over all slices, whichever are asked for.
    ours = prepared(
        make, make.volume(values), (2,), spatial=({"step": "crop", "size": [10, 8]},), intensity_after=after
    )
    np.testing.assert_allclose(ours.inputs[0, 0].numpy(), (left[2] - left.mean()) / left.std(), atol=1e-4)


def test_padding_before_the_last_steps_is_normalised_with_the_image(make):
    image = make.volume(np.full((1, 2, 2), 255, np.uint8), value_range=(0.0, 255.0))
    after = ({"step": "scale"}, {"step": "normalize", "mean": [0.5, 0.4, 0.2], "std": [0.5, 0.4, 0.2]})
    found = prepared(make, image, channels=3, size=(4, 4), fit="pad", intensity_after=after)
    assert found.inputs[0, :, 0, 0].tolist() == [-1, -1, -1]
    assert found.inputs[0, :, 1, 1].tolist() == pytest.approx([1, 1.5, 4])
    np.testing.assert_allclose(found.darkest, [[-1, -1, -1]])


def test_a_grey_network_sees_the_brightness_of_a_colour_image_in_all_channels(make):
    colour = np.random.default_rng(0).integers(0, 255, (1, 6, 6, 3), dtype=np.uint8)
    grey = colour.mean(-1).astype(np.float32)
    found = seen(make, make.volume(grey, colour=colour), channels=3, colour="grey")
    np.testing.assert_array_equal(found[0], np.broadcast_to(grey, (3, 6, 6)))


@pytest.mark.parametrize(
    ("steps", "named", "cure"),
    [
        ("{ step = 'zscore', of = 'all', above = 3 }", "step 1.of", "not both"),
        ("{ step = 'zscore', of = 'brain' }", "step 1.of", "foreground"),
        ("{ step = 'zscore', outside = 'one' }", "outside", "same"),
        ("{ step = 'window', center = 1, width = 2, per = 'slice' }", "per", "width"),
        ("{ step = 'minmax', per = 'slices' }", "step 1.per", "slice"),
        ("{ step = 'minmax', per = 'slice' }, { step = 'zscore' }", "step 2", 'per = "slice"'),
        ("{ step = 'clahe' }, { step = 'zscore' }", "step 2", 'per = "slice"'),
        ("{ step = 'gamma', gamma = 0 }", "step 1.gamma", "above 0"),
        ("{ step = 'clahe', tiles = [8] }", "step 1.tiles", "2 whole numbers"),
        ("{ step = 'equalise' }", "equalise", "equalize"),
    ],
)
def test_a_wrong_step_names_itself_and_what_is_right(make, steps, named, cure):
    for key in ("intensity", "intensity_after"):
        with pytest.raises(UserError) as caught:
            parse_card(make.card_text(inputs=f"size = [8, 8]\n{key} = [{steps}]"))
        assert named in caught.value.message
        assert cure in caught.value.hint


def test_a_volumes_step_behind_a_slices_one_is_refused_across_both_lists(make):
    lists = "intensity = [{ step = 'clahe' }]\nintensity_after = [{ step = 'zscore' }]"
    with pytest.raises(UserError, match="step 2"):
        parse_card(make.card_text(inputs=f"size = [8, 8]\n{lists}"))
    assert parse_card(make.card_text(inputs=f'layout = "3d"\nsize = [8, 8, 8]\n{lists}'))
