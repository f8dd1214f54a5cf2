"""The way to the network's grid and back, in patient millimetres."""

from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry

CHAINS_2D = [
    'size = [224, 224]\nfit = "letterbox"',
    'size = [224, 224]\nfit = "stretch"',
    'size = [200, 200]\nfit = "crop"\nresize = 224',
    'size = [900, 900]\nfit = "crop"',
    "size = [160, 160]\nspacing = [4.0, 2.5]",
    'size = [224, 224]\norientation = "RAS"',
]
CHAINS_3D = [
    "size = [24, 24, 24]",
    'size = [30, 20, 25]\nfit = "stretch"',
    'size = [16, 22, 22]\nfit = "crop"',
    'size = [20, 20, 20]\nfit = "crop"\nresize = 24',
    'size = [32, 32, 32]\nspacing = [2.0, 2.0, 2.0]\norientation = "RAS"',
    'size = [24, 30, 28]\norientation = "ARI"',
]


def there_and_back(make, model, image, slices=None):
    prepared = model.prepare(image, slices)
    return prepared, model.project(prepared.inputs, prepared)


@pytest.mark.parametrize("inputs", CHAINS_2D)
def test_a_bright_voxel_comes_back_within_one_voxel_of_the_network_in_2d(make, inputs):
    shape, place = (2, 1000, 777), (1, 430, 402)
    geometry = make.oblique(shape, (5.0, 0.7, 1.1))
    array = np.zeros(shape, dtype=np.float32)
    array[1, place[1] - 4 : place[1] + 5, place[2] - 4 : place[2] + 5] = 10.0  # about two cells of the network
    array[place] = 100.0
    prepared, back = there_and_back(
        make, make.classifier(make.Mean(1.0), inputs=inputs), make.volume(array, geometry), [1]
    )
    weights = np.nan_to_num(back[1])
    rows, columns = np.indices(weights.shape)
    centre = (1, (weights * rows).sum() / weights.sum(), (weights * columns).sum() / weights.sum())
    off = np.linalg.norm(geometry.to_patient(centre) - geometry.to_patient(place))
    assert off < max(geometry.spacing[1:])
    peak = np.unravel_index(np.nanargmax(back), shape)
    cell = max(axis.step for axis in prepared.chain.axes)
    assert np.abs(np.subtract(peak, place)).max() <= cell


@pytest.mark.parametrize("inputs", CHAINS_3D)
@pytest.mark.parametrize("order", [(2, 1, 0), (0, 2, 1)])
def test_a_bright_voxel_comes_back_within_one_voxel_of_the_network_in_3d(make, inputs, order):
    shape, place = (18, 40, 26), (8, 22, 11)
    geometry = make.oblique(shape, (3.0, 1.2, 1.7), order)
    array = np.zeros(shape, dtype=np.float32)
    array[place] = 100.0
    model = make.classifier(make.Mean(1.0), inputs=f'layout = "3d"\n{inputs}')
    prepared, back = there_and_back(make, model, make.volume(array, geometry))
    peak = np.unravel_index(np.nanargmax(back), shape)
    cell = max(axis.step for axis in prepared.chain.axes)
    assert np.abs(np.subtract(peak, place)).max() <= max(1.0, cell)


@pytest.mark.parametrize(("layout", "chains"), [("2d", CHAINS_2D), ("3d", CHAINS_3D)])
def test_a_linear_image_comes_back_exactly_away_from_the_border(make, layout, chains):
    shape = (22, 60, 50)
    ramp = np.add.outer(np.add.outer(0.3 * np.arange(22), 0.1 * np.arange(60)), -0.2 * np.arange(50))
    image = make.volume(ramp.astype(np.float32), make.oblique(shape, (2.5, 2.0, 2.2)))
    for inputs in chains:
        text = inputs if layout == "3d" else inputs.replace("224", "30").replace("200", "26").replace("900", "70")
        model = make.classifier(make.Mean(1.0), inputs=f'layout = "{layout}"\nantialias = false\n{text}')
        _, back = there_and_back(make, model, image)
        # Interpolating a straight line twice is exact, so any error here is one of coordinates.
        middle = (slice(8, 14), slice(25, 35), slice(20, 30))
        np.testing.assert_allclose(back[middle], ramp[middle], atol=1e-3)


def test_a_constant_map_fills_what_was_seen_and_nothing_else(make):
    image = make.volume(np.zeros((3, 100, 60), dtype=np.float32))
    model = make.classifier(make.Mean(1.0), inputs='size = [40, 50]\nfit = "crop"')
    prepared = model.prepare(image, [1])
    back = model.project(np.full((1, 1, 40, 50), 7.0, dtype=np.float32), prepared)
    expected = np.full((3, 100, 60), np.nan, dtype=np.float32)
    expected[1, 30:70, 5:55] = 7.0
    np.testing.assert_array_equal(back, expected)


def test_padding_never_lands_in_the_image(make):
    image = make.volume(np.zeros((1, 90, 30), dtype=np.float32))
    model = make.classifier(make.Mean(1.0), inputs="size = [45, 45]")
    prepared = model.prepare(image)
    values = np.full((1, 1, 45, 45), 1000.0, dtype=np.float32)
    values[..., 15:30] = 2.0  # 90 x 30 becomes 45 x 15 in the middle
    np.testing.assert_allclose(model.project(values, prepared), 2.0)


def test_channels_are_summed_with_their_sign(make):
    image = make.volume(np.zeros((1, 8, 8), dtype=np.float32))
    model = make.classifier(make.Mean(1.0), inputs="size = [8, 8]\nchannels = 3")
    values = np.stack([np.full((8, 8), v, dtype=np.float32) for v in (5.0, -2.0, 1.0)])[None]
    np.testing.assert_allclose(model.project(values, model.prepare(image)), 4.0)


def test_a_slice_wise_map_lands_on_its_own_slices(make):
    image = make.volume(np.zeros((5, 8, 8), dtype=np.float32))
    model = make.classifier(make.Mean(1.0), inputs="size = [8, 8]")
    values = np.stack([np.full((1, 8, 8), v, dtype=np.float32) for v in (3.0, 9.0)])
    back = model.project(values, model.prepare(image, [4, 1]))
    assert back[4].min() == back[4].max() == 3.0
    assert back[1].min() == back[1].max() == 9.0
    assert np.isnan(back[[0, 2, 3]]).all()


@pytest.mark.parametrize(("code", "order"), [("", (1, 2, 3)), ("LPS", (3, 2, 1))])
def test_a_2_5d_network_sees_neighbours_and_each_gets_its_own_contribution(make, code, order):
    # This grid's slices grow to Inferior, so a network that wants them towards Superior gets them reversed.
    geometry = make.oblique((6, 8, 8), (2.0, 1.0, 1.0))
    array = np.broadcast_to(np.arange(6.0).reshape(6, 1, 1), (6, 8, 8)).astype(np.float32)
    model = make.classifier(
        make.Mean(1.0), inputs=f'layout = "2.5d"\nchannels = 3\nsize = [8, 8]\norientation = "{code}"'
    )
    prepared = model.prepare(make.volume(array, geometry), [2])
    assert tuple(prepared.inputs[0, :, 4, 4].tolist()) == order
    back = model.project(prepared.inputs, prepared)
    np.testing.assert_allclose(back[1:4], array[1:4], atol=1e-5)
    assert np.isnan(back[[0, 4, 5]]).all()
    centred = model.project(np.ones((1, 1, 8, 8), dtype=np.float32), prepared)
    assert np.isfinite(centred[2]).all()
    assert np.isnan(centred[[1, 3]]).all()


def test_contributions_of_overlapping_neighbourhoods_add_up(make):
    model = make.classifier(make.Mean(1.0), inputs='layout = "2.5d"\nchannels = 3\nsize = [4, 4]')
    prepared = model.prepare(make.volume(np.zeros((5, 4, 4), dtype=np.float32)), [1, 2])
    back = model.project(np.ones((2, 3, 4, 4), dtype=np.float32), prepared)
    assert back[:, 0, 0].tolist()[:4] == [1.0, 2.0, 2.0, 1.0]
    assert np.isnan(back[4]).all()


def test_reorienting_turns_the_image_to_the_wanted_sides(make):
    # Columns grow to Left, rows to Posterior, slices to Superior; the network wants R, A, S.
    geometry = Geometry.from_spacing((3, 4, 5), (2.0, 1.0, 1.0), calibration="patient", oriented=True)
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    model = make.classifier(make.Mean(1.0), inputs='layout = "3d"\nfit = "none"\norientation = "RAS"')
    np.testing.assert_array_equal(model.prepare(make.volume(array, geometry)).inputs[0, 0], array[:, ::-1, ::-1])


def test_a_slice_wise_network_refuses_slices_of_another_plane(make):
    image = make.volume(np.zeros((4, 5, 6), dtype=np.float32), make.oblique((4, 5, 6), (1.0, 1.0, 1.0), (0, 1, 2)))
    model = make.classifier(make.Mean(1.0), inputs='size = [8, 8]\norientation = "RAS"')
    with pytest.raises(UserError, match="slices"):
        model.prepare(image)


def test_millimetres_are_not_invented(make):
    with pytest.raises(UserError, match="calibration"):
        make.classifier(make.Mean(1.0), inputs="size = [8, 8]\nspacing = [1, 1]").prepare(
            make.volume(np.zeros((1, 9, 9)))
        )


def test_a_network_of_fixed_size_without_a_fit_refuses_other_images(make):
    with pytest.raises(UserError, match="8 x 8"):
        make.classifier(make.Mean(1.0), inputs='size = [8, 8]\nfit = "none"').prepare(make.volume(np.zeros((1, 9, 9))))


def test_crop_equals_torchvision_resize_and_centre_crop(make):
    import torch
    from torchvision.transforms import v2

    array = np.random.default_rng(5).random((1, 301, 417), dtype=np.float32)
    model = make.classifier(make.Mean(1.0), inputs='size = [97, 100]\nfit = "crop"\nresize = 128')
    theirs = v2.Compose([v2.Resize(128, antialias=True), v2.CenterCrop((97, 100))])(torch.from_numpy(array))
    np.testing.assert_allclose(model.prepare(make.volume(array)).inputs[0].numpy(), theirs.numpy(), atol=1e-5)
