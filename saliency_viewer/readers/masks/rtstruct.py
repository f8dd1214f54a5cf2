"""Structure sets of radiotherapy (PS3.3 A.19 and C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet, UniqueNames
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import functional, number, numbers, text
from saliency_viewer.readers.masks.contours import Absurd, Oblique, Outlines, filled, outlines
from saliency_viewer.readers.masks.dicom_file import damage_is_said, open_dicom, sop_class
from saliency_viewer.readers.masks.naming import clean_name, hex_colour, listed, palette
from saliency_viewer.readers.masks.placing import has_place, require_same_frame
from saliency_viewer.readers.masks.planes import usual_gap
from saliency_viewer.readers.masks.tilted import common_normal, onto_image, tilted_grid
from saliency_viewer.spatial import Geometry

_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_CONTOUR_DATA = (0x3006, 0x0050)
_MOST_POINTS = 20_000_000  # of one file
_MOST_OF_ONE = 200_000  # of one contour
_FARTHEST = 1e5  # mm


class RtStructReader:
    """Closed planar contours, filled on the image's lattice."""

    name = "DICOM RTSTRUCT"

    def accepts(self, path: Path) -> bool:
        """By SOP class."""
        return sop_class(path) == _CLASS

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """Structures as regions on a grid that continues the image's; those that cannot be used are named."""
        if not has_place(image):
            raise UserError(
                "The structures are drawn in millimetres of the patient, and the image does not say where it lies.",
                "Open the image as DICOM, or save the structures as a label map of its shape.",
            )
        dataset = open_dicom(path)
        with damage_is_said():
            return _regions(_structures(dataset), image)


@dataclass
class _Structure:
    """One structure: what its header says, and the closed contours (n, 3) in LPS mm that can be used."""

    name: str
    colour: str
    frame: str
    contours: list[NDArray[np.float64]] = field(default_factory=list)
    open_ones: int = 0
    broken: int = 0


def _structures(dataset: Any) -> list[_Structure]:
    drawn = {int(number(item, "ReferencedROINumber", -1) or 0): item for item in _items(dataset, "ROIContourSequence")}
    whole = text(dataset, "FrameOfReferenceUID")
    whole = whole or text(functional(dataset, None, "ReferencedFrameOfReferenceSequence"), "FrameOfReferenceUID")
    names = UniqueNames()
    found = []
    points = 0
    for position, item in enumerate(_items(dataset, "StructureSetROISequence")):
        outline = drawn.get(int(number(item, "ROINumber", -2) or 0), {})
        name = names.free(clean_name(text(item, "ROIName"), f"structure {position + 1}"))
        colour = hex_colour([part / 255 for part in numbers(outline, "ROIDisplayColor")], palette(position))
        one = _Structure(name, colour, text(item, "ReferencedFrameOfReferenceUID") or whole)
        for contour in _items(outline, "ContourSequence"):
            points += _add(one, contour)
            if points > _MOST_POINTS:
                raise UserError("The structure set holds an absurd number of points.", "It may be damaged.")
        found.append(one)
    return found


def _items(dataset: Any, keyword: str) -> Sequence[Any]:
    return dataset.get(keyword) or ()


def _add(structure: _Structure, contour: Any) -> int:
    """Take one contour, or count why not; the number of its points."""
    kind = text(contour, "ContourGeometricType").upper()
    if kind and kind not in _CLOSED:
        structure.open_ones += 1
        return 0
    points = _points(contour)
    claimed = number(contour, "NumberOfContourPoints")
    if points is None or (claimed is not None and int(claimed) != len(points)):
        structure.broken += 1
        return 0
    if len(points) < 3:
        structure.open_ones += 1
    else:
        structure.contours.append(points)
    return len(points)


def _points(contour: Any) -> NDArray[np.float64] | None:
    """(n, 3) LPS mm; None when the numbers are malformed."""
    element = contour.get_item(_CONTOUR_DATA) if _CONTOUR_DATA in contour else None
    if element is None or not element.value:
        return None
    value = element.value
    try:
        # Straight from the bytes: as pydicom's decimal strings a large file takes minutes and gigabytes.
        numbers_of = value.split(b"\\") if isinstance(value, bytes) else list(value)
        found = np.array([float(one) for one in numbers_of])
    except (ValueError, TypeError):
        return None
    usable = found.size % 3 == 0 and found.size <= 3 * _MOST_OF_ONE and np.all(np.abs(found) <= _FARTHEST)
    return found.reshape(-1, 3) if usable else None


def _regions(structures: list[_Structure], image: Geometry) -> RegionSet:
    if not structures:
        raise UserError("The structure set holds no structure.", "Choose another file.")
    used = [one for one in structures if one.contours]
    elsewhere = [one for one in used if not _same_frame(one, image)]
    if used and len(elsewhere) == len(used):
        require_same_frame(replace(image, frame_of_reference=elsewhere[0].frame), image)
    told: dict[str, list[str]] = {}
    for one in elsewhere:
        told.setdefault("Drawn in another frame of reference, so left out", []).append(one.name)
    drawn = _outlined([one for one in used if one not in elsewhere], image, told)
    regions = _filled(drawn, image, told)
    for one in structures:
        _tell(one, told)
    if not regions:
        raise UserError(
            "No structure of the set can be shown on this image.", "Choose another file.", _sentences(told)[:1000]
        )
    return _on_a_grid(regions, image, told)


def _same_frame(one: _Structure, image: Geometry) -> bool:
    return not one.frame or not image.frame_of_reference or one.frame == image.frame_of_reference


def _outlined(
    structures: list[_Structure], image: Geometry, told: dict[str, list[str]]
) -> list[tuple[_Structure, Outlines]]:
    drawn = []
    everything = [contour for one in structures for contour in one.contours]
    common = common_normal(everything) if everything else np.eye(3)[0]
    for one in structures:
        tilted = tilted_grid(one.contours, image, common)
        try:
            found = outlines(one.contours, tilted[0] if tilted else image)
        except Oblique:
            reason = "Drawn in no common planes, so left out (save them as a label map instead)"
            told.setdefault(reason, []).append(one.name)
        except Absurd:
            told.setdefault("Reaching absurdly far, so left out", []).append(one.name)
        else:
            drawn.append((one, found))
            if tilted:
                words = f"Drawn in planes at {_degrees(tilted[1])} to the image's and resampled onto its grid"
                told.setdefault(words, []).append(one.name)
            elif found.tilted:
                told.setdefault("Drawn slightly oblique and projected onto the slices", []).append(one.name)
    return drawn


def _degrees(angle: float) -> str:
    return f"{angle:.0f} degrees" if angle >= 1.5 else "about 1 degree" if angle >= 0.5 else "less than 1 degree"


def _filled(drawn: list[tuple[_Structure, Outlines]], image: Geometry, told: dict[str, list[str]]) -> list[Region]:
    gaps = [gap * found.step for _, found in drawn if np.isfinite(gap := usual_gap(found.planes))]
    usual = float(np.median(gaps)) if gaps else 0.0  # mm; a slice where nothing tells
    regions = []
    for one, found in drawn:
        try:
            region = filled(one.name, one.colour, found, usual / found.step)
            if found.grid is not image and region.voxels:
                region = onto_image(region, found.grid, image)
        except Absurd:
            told.setdefault("Reaching absurdly far, so left out", []).append(one.name)
            continue
        if region.voxels:
            regions.append(region)
        else:
            told.setdefault("Too small to hold a voxel's centre, so left out", []).append(one.name)
    return regions


def _tell(one: _Structure, told: dict[str, list[str]]) -> None:
    if one.open_ones:
        told.setdefault("Points and open lines, which enclose nothing, are left out", []).append(one.name)
    if one.broken:
        told.setdefault("Damaged contours are left out", []).append(f"{one.name} ({one.broken})")
    if not one.contours and not one.open_ones and not one.broken:
        told.setdefault("Empty and left out", []).append(one.name)


def _sentences(told: dict[str, list[str]]) -> str:
    return " ".join(f"{reason}: {listed(names)}." for reason, names in told.items())


def _on_a_grid(regions: list[Region], image: Geometry, told: dict[str, list[str]]) -> RegionSet:
    """The image's lattice, large enough for all regions, so that what lies outside the image can be counted."""
    low = np.minimum(np.min([region.origin for region in regions], axis=0), 0)
    high = np.max([np.add(region.origin, region.patch.shape) for region in regions], axis=0)
    z, y, x = (int(size) for size in np.maximum(high, image.shape) - low)
    affine = image.affine.copy()
    affine[:3, 3] = image.to_patient(low)
    moved = []
    for region in regions:
        k, row, column = (int(place) for place in np.subtract(region.origin, low))
        moved.append(replace(region, origin=(k, row, column)))
    grid = replace(image, shape=(z, y, x), affine=affine)
    return RegionSet(grid, tuple(moved), tuple(f"{reason}: {listed(names)}." for reason, names in told.items()))
