"""Segmentations of 3D Slicer, and plain NRRD and MetaImage with several components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from mask_files import grid

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions
from saliency_viewer.spatial import Geometry

SHAPE = (4, 5, 6)
IMAGE = grid(SHAPE, (2.0, 0.5, 0.75), (10.0, -20.0, 30.0))


def layers(count: int) -> Any:
    rng = np.random.default_rng(count)
    return rng.integers(0, 3, (*SHAPE, count)).astype(np.uint8)


def nrrd(path: Path, values: Any, keys: dict[str, str], space: str = "left-posterior-superior") -> Path:
    """A file as Slicer writes it: the axis of layers first."""
    signs = np.array([1, 1, 1]) if space.startswith("left") else np.array([-1, -1, 1])
    directions = " ".join(f"({','.join(f'{part:g}' for part in signs * IMAGE.affine[:3, axis])})" for axis in (2, 1, 0))
    origin = ",".join(f"{part:g}" for part in signs * IMAGE.affine[:3, 3])
    several = values.ndim == 4
    count = f"{values.shape[3]} " if several else ""
    head = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {values.ndim}",
        f"space: {space}",
        f"sizes: {count}{SHAPE[2]} {SHAPE[1]} {SHAPE[0]}",
        f"space directions: {'none ' if several else ''}{directions}",
        f"kinds: {'list ' if several else ''}domain domain domain",
        "encoding: raw",
        f"space origin: ({origin})",
        *(f"{key}:={text}" for key, text in keys.items()),
    ]
    path.write_bytes(("\n".join(head) + "\n\n").encode() + values.tobytes())
    return path


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_overlapping_segments_keep_their_names_colours_and_places(tmp_path: Path, space: str) -> None:
    values = layers(2)
    keys = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "Lungenflügel links",
        "Segment0_Color": "0.501961 0.682353 0.501961",
        "Segment0_Layer": "0",
        "Segment0_LabelValue": "1",
        "Segment1_Name": "lesion",
        "Segment1_Layer": "1",
        "Segment1_LabelValue": "2",
        "Segment1_Color": "not a colour",
        "Segment2_Name": "lesion",
        "Segment2_Layer": "0",
        "Segment2_LabelValue": "2",
        "Segment3_Name": "nothing",
        "Segment3_Layer": "1",
        "Segment3_LabelValue": "9",
    }
    regions = load_regions(nrrd(tmp_path / "a.seg.nrrd", values, keys, space), IMAGE)
    assert regions.names == ("Lungenflügel links", "lesion", "lesion 2")
    assert regions.regions[0].colour == "#80AE80"
    for name, layer, label in zip(regions.names, (0, 1, 0), (1, 2, 2), strict=True):
        np.testing.assert_array_equal(regions.mask(name), values[..., layer] == label)
    assert "Segments without any voxel are left out: nothing." in regions.warnings
    assert any("labels that its header does not name" in words for words in regions.warnings)  # layer 1, label 1


def test_old_files_have_one_layer_for_each_segment(tmp_path: Path) -> None:
    values = (layers(3) > 0).astype(np.uint8)
    keys = {f"Segment{k}_Name": name for k, name in enumerate("abc")}
    regions = load_regions(nrrd(tmp_path / "a.seg.nrrd", values, keys), IMAGE)
    assert regions.names == ("a", "b", "c")
    for k, name in enumerate("abc"):
        np.testing.assert_array_equal(regions.mask(name), values[..., k])


def test_segments_without_overlap_share_one_layer(tmp_path: Path) -> None:
    values = layers(1)[..., 0]
    keys = {"Segment0_Name": "one", "Segment0_LabelValue": "1", "Segment1_Name": "two", "Segment1_LabelValue": "2"}
    regions = load_regions(nrrd(tmp_path / "a.seg.nrrd", values, keys), IMAGE)
    np.testing.assert_array_equal(regions.mask(), values)
    assert regions.names == ("one", "two")


def test_a_segmentation_without_a_marked_voxel_is_called_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of its segments marks a voxel"):
        load_regions(nrrd(tmp_path / "a.seg.nrrd", np.zeros(SHAPE, np.uint8), {"Segment0_Name": "one"}), IMAGE)


@pytest.mark.parametrize("ending", ["nrrd", "nhdr", "mha", "mhd"])
@pytest.mark.parametrize("fourth", [False, True])
def test_components_and_a_fourth_axis_without_names_are_volumes(tmp_path: Path, ending: str, fourth: bool) -> None:
    values = (layers(2) > 1).astype(np.uint8)
    if fourth:
        image = SimpleITK.GetImageFromArray(np.moveaxis(values, -1, 0), isVector=False)
        extra = (1.0,)
        image.SetDirection(np.eye(4).ravel())
    else:
        image = SimpleITK.GetImageFromArray(values, isVector=True)
        extra = ()
    image.SetSpacing((0.75, 0.5, 2.0, *extra))
    image.SetOrigin((10.0, -20.0, 30.0, *(0.0 for _ in extra)))
    path = tmp_path / f"mask.{ending}"
    SimpleITK.WriteImage(image, str(path))
    regions = load_regions(path, IMAGE)
    assert regions.names == ("volume 1", "volume 2")
    for k, name in enumerate(regions.names):
        np.testing.assert_array_equal(regions.mask(name), values[..., k])


def test_colours_are_no_labels(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", layers(3), {})
    path.write_bytes(path.read_bytes().replace(b"kinds: list", b"kinds: RGB-color"))
    with pytest.raises(UserError, match="colours"):
        load_regions(path, IMAGE)


def test_a_flat_image_is_one_slice(tmp_path: Path) -> None:
    values = layers(1)[0, ..., 0]
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / "a.mha"))
    regions = load_regions(tmp_path / "a.mha", Geometry.from_spacing((1, 5, 6)))
    np.testing.assert_array_equal(regions.mask()[0], values)
