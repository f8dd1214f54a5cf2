"""RTSTRUCT files whose volumes arithmetic knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_files import FRAME, circle, contour, grid, rotation, saved, structure_set

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions
from saliency_viewer.spatial import Geometry

IMAGE = grid((12, 80, 90), (3.0, 0.9, 0.7), (-30.0, 12.0, 100.0), frame=FRAME)


def rectangle(low: tuple[float, float], high: tuple[float, float], place: float, image: Geometry = IMAGE) -> Any:
    """LPS corners of a rectangle in index space (row, column), on slice ``place``."""
    (a, b), (c, d) = low, high
    return image.to_patient([[place, a, b], [place, a, d], [place, c, d], [place, c, b]])


def test_circles_have_their_area_and_places(tmp_path: Path) -> None:
    centre = IMAGE.to_patient([0, 40, 45])
    places = [100.0 + 3 * k for k in (3, 4, 5)]
    contours = [contour(circle((centre[0], centre[1], z), 20.0)) for z in places]
    regions = load_regions(saved(structure_set({"tumour": contours}), tmp_path / "rt"), IMAGE)
    assert regions.names == ("tumour",)
    assert regions.regions[0].colour == "#FF8000"
    assert regions.warnings == ()
    mask = regions.mask("tumour")
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [3, 4, 5]
    assert mask.sum() * IMAGE.voxel_volume == pytest.approx(3 * 3.0 * np.pi * 20.0**2, rel=0.01)
    np.testing.assert_allclose(np.argwhere(mask).mean(axis=0), [4, 40, 45], atol=1e-6)


@pytest.mark.parametrize("turn", [0.0, 25.0])
def test_a_second_contour_within_the_first_is_a_hole_and_so_is_a_keyhole(tmp_path: Path, turn: float) -> None:
    image = grid(IMAGE.shape, (3.0, 0.9, 0.7), turn=rotation(turn, 0) @ rotation(turn, 2))
    outer, inner = rectangle((9.5, 9.5), (40.5, 50.5), 2, image), rectangle((19.5, 19.5), (29.5, 39.5), 2, image)
    keyhole = np.vstack([outer, outer[:1], inner, inner[:1]])
    structures = {"two": [contour(outer), contour(inner), contour(outer)], "one": [contour(keyhole)]}
    regions = load_regions(saved(structure_set(structures), tmp_path / "rt"), image)
    expected = np.zeros(image.shape, bool)
    expected[2, 10:41, 10:51] = True
    expected[2, 20:30, 20:40] = False
    for name in regions.names:
        np.testing.assert_array_equal(regions.mask(name), expected)


def test_coarse_contours_fill_the_slices_between_them_and_keep_the_volume(tmp_path: Path) -> None:
    image = grid((60, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    box = [contour(rectangle((4.5, 4.5), (14.5, 14.5), z, image)) for z in (10.0, 15.0, 20.0, 25.0)]
    apart = [contour(rectangle((20.5, 20.5), (30.5, 30.5), z, image)) for z in (10.0, 15.0, 40.0, 45.0)]
    regions = load_regions(saved(structure_set({"box": box, "apart": apart}), tmp_path / "rt"), image)
    assert regions.mask("box").sum() == 4 * 5 * 100
    assert np.flatnonzero(regions.mask("box").any(axis=(1, 2))).tolist() == list(range(8, 28))
    assert np.flatnonzero(regions.mask("apart").any(axis=(1, 2))).tolist() == [*range(8, 18), *range(38, 48)]


def test_fine_contours_on_coarse_slices_give_each_slice_the_nearest(tmp_path: Path) -> None:
    places = np.arange(2, 5, 1 / 3)
    contours = [contour(rectangle((10.5, 10.5), (20.5, 20.5 + 3 * k), z)) for k, z in enumerate(places)]
    regions = load_regions(saved(structure_set({"wedge": contours}), tmp_path / "rt"), IMAGE)
    assert regions.mask("wedge").sum(axis=(1, 2)).tolist()[1:6] == [0, 100, 190, 280, 340]


def test_an_image_stored_in_another_direction_gets_the_same_voxels(tmp_path: Path) -> None:
    contours = [contour(circle((*IMAGE.to_patient([0, 40, 45])[:2], 100.0 + 3 * k), 15.0)) for k in range(2, 7)]
    path = saved(structure_set({"ball": contours}), tmp_path / "rt")
    straight = load_regions(path, IMAGE).mask("ball")
    turned = Geometry((80, 90, 12), IMAGE.affine[:, [1, 2, 0, 3]], frame_of_reference=FRAME)
    np.testing.assert_array_equal(load_regions(path, turned).mask("ball"), straight.transpose(1, 2, 0))


def test_contours_between_slices_belong_to_the_nearer_one_and_beyond_the_image_are_counted(tmp_path: Path) -> None:
    inside = [contour(rectangle((10.5, 10.5), (20.5, 20.5), z)) for z in (2.4, 3.4)]
    beyond = [contour(rectangle((70.5, 10.5), (90.5, 20.5), z)) for z in (10.0, 11.0, 12.0, 13.0)]
    regions = load_regions(saved(structure_set({"in": inside, "out": beyond}), tmp_path / "rt"), IMAGE)
    assert np.flatnonzero(regions.mask("in").any(axis=(1, 2))).tolist() == [2, 3]
    assert regions.mask("out").sum() == 2 * 9 * 10  # rows 71 to 79 of two of the four slices
    assert regions.warnings == (f"Parts outside the image are left out: out {100 - 100 * 2 * 9 / (4 * 20):.0f} %.",)


def test_what_cannot_be_filled_is_named_and_the_rest_stays(tmp_path: Path) -> None:
    good = contour(rectangle((10.5, 10.5), (20.5, 20.5), 3))
    point = contour([[0.0, 30.0, 109.0]], "POINT")
    broken = contour(rectangle((30.5, 30.5), (40.5, 40.5), 3))
    broken.ContourData = broken.ContourData[:-1]
    line = contour(rectangle((30.5, 30.5), (40.5, 40.5), 3), "OPEN_PLANAR")
    twisted = contour(IMAGE.to_patient([[2, 10, 10], [8, 10, 30], [2, 30, 30], [8, 30, 10]]))
    structures = {
        "good": [good, point],
        "isocentre": [point],
        "torn": [broken],
        "wire": [line],
        "none": [],
        "twisted": [twisted],
    }
    regions = load_regions(saved(structure_set(structures), tmp_path / "rt"), IMAGE)
    assert regions.names == ("good",)
    told = " ".join(regions.warnings)
    for words in (
        "Points and open lines, which enclose nothing, are left out: good, isocentre, wire.",
        "Damaged contours are left out: torn (1).",
        "Empty and left out: none.",
        "Drawn in no common planes, so left out (save them as a label map instead): twisted.",
    ):
        assert words in told
    del structures["good"]
    with pytest.raises(UserError, match="No structure of the set can be shown"):
        load_regions(saved(structure_set(structures), tmp_path / "none"), IMAGE)


def test_contours_that_wobble_about_a_slice_are_projected_with_a_word(tmp_path: Path) -> None:
    thin = grid((40, 80, 90), (0.5, 0.9, 0.7), (-30.0, 12.0, 100.0), frame=FRAME)
    corners = thin.to_patient([[4, 9.5, 9.5], [6.4, 9.5, 79.5], [4, 69.5, 79.5], [6.4, 69.5, 9.5]])  # 1.2 of 54 mm
    regions = load_regions(saved(structure_set({"a": [contour(corners)]}), tmp_path / "rt"), thin)
    assert np.flatnonzero(regions.mask("a").any(axis=(1, 2))).tolist() == [5]
    assert "projected onto the slices: a." in regions.warnings[0]


def tilted_image(degrees: float) -> Geometry:
    """Slices of 3 mm that a turn about y has tilted; its centre is at zero."""
    turned = grid((30, 60, 100), (3.0, 1.5, 1.5), (0.0, 0.0, 0.0), rotation(degrees, 1), FRAME)
    affine = turned.affine.copy()
    affine[:3, 3] = -turned.to_patient([14.5, 29.5, 49.5])
    return Geometry(turned.shape, affine, frame_of_reference=FRAME)


@pytest.mark.parametrize("degrees", [1.0, 1.9, 5.0, 25.0])
def test_two_balls_of_one_structure_stay_whole_on_tilted_slices(tmp_path: Path, degrees: float) -> None:
    """Axial contours 2.5 mm apart, which the image's slices cut at an angle: held against them the balls interleave."""
    image, radius = tilted_image(degrees), 20.0
    heights = np.arange(-18.75, 20.0, 2.5)
    sizes = np.sqrt(radius**2 - heights**2)
    balls = [contour(circle((x, 0.0, z), r)) for z, r in zip(heights, sizes, strict=True) for x in (-45.0, 45.0)]
    small = [contour(circle((0.0, 0.0, z), 3.0, 12)) for z in heights]
    path = saved(structure_set({"balls": balls, "rod": small}), tmp_path / "rt")
    regions = load_regions(path, image)
    place = image.to_patient(np.moveaxis(np.indices(image.shape), 0, -1))
    truth = np.minimum(*(np.linalg.norm(place - [x, 0.0, 0.0], axis=-1) for x in (-45.0, 45.0))) <= radius
    found = regions.mask("balls") > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
    assert regions.mask("rod").sum() * image.voxel_volume == pytest.approx(np.pi * 9 * 40, rel=0.1)
    angle = {1.0: "about 1 degree", 1.9: "2 degrees", 5.0: "5 degrees", 25.0: "25 degrees"}[degrees]
    assert regions.warnings == (f"Drawn in planes at {angle} to the image's and resampled onto its grid: balls, rod.",)


def test_a_structure_in_planes_of_its_own_direction_is_filled_beside_the_others(tmp_path: Path) -> None:
    corners = IMAGE.to_patient([[4, 9.5, 9.5], [4, 9.5, 79.5], [5.2, 69.5, 79.5], [5.2, 69.5, 9.5]])  # 3.6 of 54 mm
    flat = contour(rectangle((9.5, 9.5), (19.5, 19.5), 2))
    regions = load_regions(saved(structure_set({"a": [contour(corners)], "b": [flat]}), tmp_path / "rt"), IMAGE)
    assert regions.names == ("a", "b")
    assert np.flatnonzero(regions.mask("b").any(axis=(1, 2))).tolist() == [2]
    # One slice thick, it crosses from slice 4 to slice 5 in the middle, where its height is 4.5.
    lower, upper = regions.mask("a")[4:6]
    assert lower[10:34, 10:80].all()
    assert upper[36:70, 10:80].all()
    assert not (lower & upper).any()
    assert regions.mask("a").sum() == pytest.approx(60 * 70, rel=0.02)


@pytest.mark.parametrize("apart", [0.0, 0.2])
def test_parts_at_nearly_the_same_height_share_a_plane(tmp_path: Path, apart: float) -> None:
    image = grid((10, 80, 120), (5.0, 1.0, 1.0), (-60.0, -40.0, 0.0), frame=FRAME)
    three = [contour(circle((x, 0.0, 2.4 + k * apart), 10.0)) for k, x in enumerate((-40.0, 0.0, 40.0))]
    mask = load_regions(saved(structure_set({"three": three}), tmp_path / "rt"), image).mask("three").any(axis=0)
    assert mask.sum() == pytest.approx(3 * np.pi * 100, rel=0.03)


def test_planes_much_finer_than_the_slices_are_not_merged(tmp_path: Path) -> None:
    image = grid((10, 80, 120), (5.0, 1.0, 1.0), (-60.0, -40.0, 0.0), frame=FRAME)
    fine = [contour(circle((0.0, 0.0, z), 10.0)) for z in np.arange(8.0, 22.0, 0.2)]
    mask = load_regions(saved(structure_set({"rod": fine}), tmp_path / "rt"), image).mask("rod")
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3, 4]
    assert mask.sum() == pytest.approx(3 * np.pi * 100, rel=0.03)


def test_another_frame_of_reference_and_an_image_without_a_place_are_refused(tmp_path: Path) -> None:
    path = saved(structure_set({"a": [contour(rectangle((1.5, 1.5), (9.5, 9.5), 2))]}, frame="1.2.3"), tmp_path / "rt")
    with pytest.raises(UserError, match="frames of reference differ"):
        load_regions(path, IMAGE)
    assert load_regions(path, grid(IMAGE.shape, (3.0, 0.9, 0.7), (-30.0, 12.0, 100.0))).names == ("a",)
    with pytest.raises(UserError, match="does not say where it lies"):
        load_regions(path, Geometry.from_spacing(IMAGE.shape))


def test_absurd_structures_cost_neither_time_nor_memory(tmp_path: Path) -> None:
    far = contour(rectangle((1e5, 1e5), (2e5, 2e5), 2))
    high = [contour(rectangle((1.5, 1.5), (9.5, 9.5), z)) for z in (0, 1e4)]
    good = contour(rectangle((1.5, 1.5), (9.5, 9.5), 2))
    regions = load_regions(saved(structure_set({"far": [far], "high": high, "good": [good]}), tmp_path / "rt"), IMAGE)
    assert regions.names == ("good",)
    assert any("absurdly far" in words for words in regions.warnings)


def test_a_real_structure_set_has_the_volume_of_its_contours(shared_data: Path) -> None:
    path = shared_data / "dicom_edge" / "pydicom" / "rtstruct.dcm"
    image = grid((104, 90, 110), (5.0, 5.0, 5.0), (-272.4, -222.4, -257.6))
    regions = load_regions(path, image)
    assert regions.names == ("patient",)
    # Three rectangles of 400 by 300 mm, 10 mm apart.
    assert regions.mask("patient").sum() * image.voxel_volume == pytest.approx(3 * 400 * 300 * 10, rel=1e-9)
    assert any("Isocenter 1, Isocenter 2" in words for words in regions.warnings)
