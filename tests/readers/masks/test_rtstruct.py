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
    upright = contour(IMAGE.to_patient([[2, 10, 10], [8, 30, 30], [8, 30, 10], [2, 10, 30]]))
    structures = {
        "good": [good, point],
        "isocentre": [point],
        "torn": [broken],
        "wire": [line],
        "none": [],
        "tilted": [upright],
    }
    regions = load_regions(saved(structure_set(structures), tmp_path / "rt"), IMAGE)
    assert regions.names == ("good",)
    told = " ".join(regions.warnings)
    for words in (
        "Points and open lines, which enclose nothing, are left out: good, isocentre, wire.",
        "Damaged contours are left out: torn (1).",
        "Empty and left out: none.",
        "oblique to the image's slices, so left out (save them as a label map instead): tilted.",
    ):
        assert words in told
    del structures["good"]
    with pytest.raises(UserError, match="No structure of the set can be shown"):
        load_regions(saved(structure_set(structures), tmp_path / "none"), IMAGE)


def test_slightly_oblique_contours_are_projected_with_a_word(tmp_path: Path) -> None:
    corners = IMAGE.to_patient([[4, 9.5, 9.5], [4, 9.5, 79.5], [5.2, 69.5, 79.5], [5.2, 69.5, 9.5]])  # 3.6 of 54 mm
    steep = structure_set({"a": [contour(corners)], "b": [contour(rectangle((9.5, 9.5), (19.5, 19.5), 2))]})
    regions = load_regions(saved(steep, tmp_path / "steep"), IMAGE)
    assert regions.names == ("b",)
    thin = grid((40, 80, 90), (0.5, 0.9, 0.7), (-30.0, 12.0, 100.0), frame=FRAME)
    corners = thin.to_patient([[4, 9.5, 9.5], [4, 9.5, 79.5], [6.4, 69.5, 79.5], [6.4, 69.5, 9.5]])  # 1.2 of 54 mm
    regions = load_regions(saved(structure_set({"a": [contour(corners)]}), tmp_path / "flat"), thin)
    assert np.flatnonzero(regions.mask("a").any(axis=(1, 2))).tolist() == [5]
    assert "projected onto the slices: a." in regions.warnings[0]


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
