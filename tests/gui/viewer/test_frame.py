from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF

from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.spatial import Geometry

SHAPE = (5, 7, 9)
TOWARDS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


def signed_permutation(order: tuple[int, ...], signs: tuple[int, ...], tilt: float = 0.0) -> Geometry:
    matrix = np.zeros((3, 3))
    for index_axis, (patient_axis, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[patient_axis, index_axis] = sign
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ matrix @ np.diag([2.0, 0.8, 0.5])
    affine[:3, 3] = (-30, 11, 7)
    return Geometry(SHAPE, affine)


orders = st.permutations([0, 1, 2]).map(tuple)
signs = st.tuples(*[st.sampled_from([1, -1])] * 3)


@given(orders, signs, st.sampled_from([0.0, 0.25]), st.sampled_from([0, 1, 2]), st.booleans())
def test_walking_across_the_picture_goes_where_the_letters_say(order, sign, tilt, axis, radiological):
    geometry = signed_permutation(order, sign, tilt)
    frame = SliceFrame.of(geometry, axis, radiological)

    def patient(x: float, y: float) -> np.ndarray:
        index = np.full(3, 2.0)
        index[list(frame.axes)] = frame.to_index((x, y))
        return geometry.to_patient(index)

    left, right, top, bottom = frame.letters
    across = patient(frame.width, 1.0) - patient(0.0, 1.0)
    down = patient(1.0, frame.height) - patient(1.0, 0.0)
    for step, towards, away in ((across, right, left), (down, bottom, top)):
        direction = step / np.linalg.norm(step)
        assert direction @ TOWARDS[towards] > 0.8
        assert direction @ TOWARDS[away] < -0.8
    standard = {"R": "R", "L": "R", "A": "A"}[left] if radiological else {"R": "L", "L": "L", "A": "A"}[left]
    assert left == standard
    assert top in "AS"


@given(orders, signs, st.sampled_from([0, 1, 2]), st.booleans())
def test_the_cut_picture_shows_at_each_pixel_the_voxel_that_the_mapping_names(order, sign, axis, radiological):
    frame = SliceFrame.of(signed_permutation(order, sign), axis, radiological)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    index = SHAPE[axis] - 2
    picture = frame.cut(array, index)
    assert picture.shape == (frame.height, frame.width)
    for y in range(frame.height):
        for x in range(frame.width):
            voxel = frame.voxel((x + 0.5, y + 0.5), index)
            assert voxel is not None
            assert voxel[axis] == index
            assert array[voxel] == picture[y, x]


@given(orders, signs, st.sampled_from([0, 1, 2]))
def test_index_and_picture_coordinates_are_inverse_and_agree_with_the_path_transform(order, sign, axis):
    frame = SliceFrame.of(signed_permutation(order, sign), axis)
    points = np.random.default_rng(3).uniform(-4, 12, (20, 2))
    np.testing.assert_allclose(frame.to_index(frame.to_picture(points)), points, atol=1e-12)
    for first, second in points:
        mapped = frame.path_transform().map(QPointF(second, first))
        np.testing.assert_allclose((mapped.x(), mapped.y()), frame.to_picture((first, second)), atol=1e-9)


def test_voxels_end_half_a_pixel_beyond_their_centres():
    frame = SliceFrame.of(Geometry.from_spacing((1, 4, 6)), 0)
    assert frame.voxel((0.0, 0.0), 0) == (0, 0, 0)
    assert frame.voxel((5.999, 3.999), 0) == (0, 3, 5)
    assert frame.voxel((6.0, 2.0), 0) is None
    assert frame.voxel((2.0, -0.001), 0) is None


def test_neurological_turns_left_and_right_but_leaves_sagittal_and_unoriented_pictures():
    oriented = signed_permutation((2, 1, 0), (1, 1, 1))
    assert SliceFrame.of(oriented, 0).letters == ("R", "L", "A", "P")
    assert SliceFrame.of(oriented, 0, radiological=False).letters == ("L", "R", "A", "P")
    assert SliceFrame.of(oriented, 2, radiological=False) == SliceFrame.of(oriented, 2)
    unknown = Geometry.from_spacing((1, 4, 6))
    assert SliceFrame.of(unknown, 0, radiological=False) == SliceFrame.of(unknown, 0)


def test_colour_slices_keep_their_channels_last():
    frame = SliceFrame.of(signed_permutation((2, 0, 1), (1, 1, 1)), 0)
    colour = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3))
    picture = frame.cut(colour, 1)
    for channel in range(3):
        np.testing.assert_array_equal(picture[..., channel], frame.cut(colour[..., channel], 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pixel_size_follows_the_spacing_of_the_shown_axes(axis):
    frame = SliceFrame.of(signed_permutation((2, 1, 0), (1, 1, 1)), axis)
    wide, high = frame.pixel_size
    spacing = (2.0, 0.8, 0.5)
    assert (wide, high) == pytest.approx((spacing[frame.plane.right], spacing[frame.plane.down]))
