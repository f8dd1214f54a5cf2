"""DICOM segmentations (PS3.3 A.51 and C.8.20; label maps of Supplement 243)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet, UniqueNames
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import functional, number, numbers, text
from saliency_viewer.readers.masks.dicom_file import damage_is_said, damaged, open_dicom, sop_class
from saliency_viewer.readers.masks.naming import clean_name, lab_colour, listed, palette
from saliency_viewer.readers.masks.seg_grid import FrameGrid, frame_grid
from saliency_viewer.readers.masks.seg_pixels import frames
from saliency_viewer.spatial import Geometry

_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_TYPES = ("BINARY", "FRACTIONAL", "LABELMAP")
_MOST_SEGMENTS = 4096
_MOST_VOXELS = 2**30  # of one segment


class SegReader:
    """Binary, fractional and label-map segmentations, overlapping or not."""

    name = "DICOM SEG"

    def accepts(self, path: Path) -> bool:
        """By SOP class."""
        return sop_class(path) in _CLASSES

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """Segments as regions, with their labels and colours; fractions are cut at half their maximum."""
        dataset = open_dicom(path)
        with damage_is_said():
            return _regions(dataset, image)


@dataclass
class _Pieces:
    """What the frames show of one segment: (slice, first row, first column, pixels) cut to their boxes."""

    found: list[tuple[int, int, int, NDArray[np.bool_]]] = field(default_factory=list)

    def add(self, slices: tuple[int, ...], inside: NDArray[np.bool_]) -> None:
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if rows.size:
            cut = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
            self.found += [(k, int(rows[0]), int(columns[0]), cut) for k in slices]

    def region(self, name: str, colour: str) -> Region:
        """All pieces in one patch; where two lie on one slice, either counts."""
        starts = np.array([piece[:3] for piece in self.found])
        stops = starts + [(1, *piece[3].shape) for piece in self.found]
        origin, size = starts.min(axis=0), stops.max(axis=0) - starts.min(axis=0)
        if np.prod(size, dtype=np.float64) > _MOST_VOXELS:
            raise damaged()
        patch = np.zeros(size, dtype=bool)
        for (k, row, column), (_, _, _, inside) in zip(starts - origin, self.found, strict=True):
            patch[k, row : row + inside.shape[0], column : column + inside.shape[1]] |= inside
        patch.setflags(write=False)
        return Region(name, colour, (int(origin[0]), int(origin[1]), int(origin[2])), patch)


def _regions(dataset: Any, image: Geometry) -> RegionSet:
    kind = text(dataset, "SegmentationType")
    _require_stack(dataset, kind)
    count = max(1, int(number(dataset, "NumberOfFrames", 1) or 1))
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    shared = functional(dataset, None, "SharedFunctionalGroupsSequence")
    if len(groups) < count:
        raise damaged()
    grid = frame_grid(dataset, groups[:count], shared, image)
    described = _described(dataset)
    pieces: dict[int, _Pieces] = {}
    soft, done = False, 0
    for group, slices, stored in zip(groups, grid.slices, frames(dataset, count), strict=False):
        identified = functional(group, shared, "SegmentIdentificationSequence")
        for segment, inside in _segments(dataset, kind, identified, stored):
            pieces.setdefault(segment, _Pieces()).add(slices, inside)
        soft = soft or (kind == "FRACTIONAL" and _has_fractions(stored, _top(dataset)))
        done += 1
    if done < count:
        raise damaged()
    words = _fraction_words(dataset) if soft else ()
    described.pop(_background(dataset) if kind == "LABELMAP" else 0, None)
    return _named(pieces, described, grid, words)


def _require_stack(dataset: Any, kind: str) -> None:
    if kind not in _TYPES:
        raise UserError(
            "The segmentation is of a kind that this program does not know.",
            "Save it as a binary segmentation.",
        )
    tiled = "TILED" in text(dataset, "DimensionOrganizationType") or "TotalPixelMatrixColumns" in dataset
    if tiled:
        raise UserError(
            "The segmentation belongs to a microscope slide, whose tiles lie beside each other.",
            "This program shows radiological images; choose a segmentation of one.",
        )


def _segments(
    dataset: Any, kind: str, identified: Any, stored: NDArray[np.generic]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Segment numbers and pixels of one frame."""
    if kind == "LABELMAP":
        for value in np.unique(stored).tolist():
            if value != _background(dataset):
                yield value, stored == value
        return
    segment = number(identified, "ReferencedSegmentNumber")
    if segment is None:
        raise damaged()
    yield int(segment), np.greater(stored, _top(dataset) / 2 if kind == "FRACTIONAL" else 0)


def _background(dataset: Any) -> int:
    """The number that marks what belongs to no segment of a label map."""
    return int(number(dataset, "PixelPaddingValue", 0) or 0)


def _top(dataset: Any) -> float:
    return number(dataset, "MaximumFractionalValue") or 255.0


def _has_fractions(stored: NDArray[np.generic], top: float) -> bool:
    return not np.all((stored == 0) | (stored == top))


def _fraction_words(dataset: Any) -> tuple[str, ...]:
    meaning = "fractions of occupied voxels"
    if text(dataset, "SegmentationFractionalType") == "PROBABILITY":
        meaning = "probabilities"
    return (f"The segmentation holds {meaning}: what lies above half of the maximum is inside.",)


def _described(dataset: Any) -> dict[int, tuple[str, str]]:
    """Label and colour of each segment number; empty texts where the file has none."""
    found: dict[int, tuple[str, str]] = {}
    for item in dataset.get("SegmentSequence") or ():
        segment = number(item, "SegmentNumber")
        if segment is not None:
            colour = lab_colour(numbers(item, "RecommendedDisplayCIELabValue"), "")
            found[int(segment)] = (text(item, "SegmentLabel"), colour)
    return found


def _named(
    pieces: dict[int, _Pieces], described: dict[int, tuple[str, str]], grid: FrameGrid, words: tuple[str, ...]
) -> RegionSet:
    if len(pieces) > _MOST_SEGMENTS:
        raise damaged()
    names = UniqueNames()
    regions: list[Region] = []
    empty: list[str] = []
    for segment in sorted({*described, *pieces}):
        label, colour = described.get(segment, ("", ""))
        name = names.free(clean_name(label, f"segment {segment}"))
        found = pieces.get(segment)
        if found is not None and found.found:
            regions.append(found.region(name, colour or palette(len(regions))))
        else:
            empty.append(name)
    if not regions:
        raise UserError("The segmentation is empty: none of its segments marks a pixel.", "Choose another file.")
    if empty:
        words += (f"Segments without any pixel are left out: {listed(empty)}.",)
    return RegionSet(grid.geometry, tuple(regions), words)
