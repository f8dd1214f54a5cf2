"""3D Slicer's segmentations (``.seg.nrrd``): layers of labels, described by keys ``Segment0_Name`` and so on.

https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet, UniqueNames
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.naming import clean_name, hex_colour, listed, palette
from saliency_viewer.spatial import Geometry

_NUMBER = re.compile(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)
_KEY = re.compile(r"Segment(\d{1,5})_(\w+)\Z")


@dataclass(frozen=True)
class Segment:
    """A label in one of the layers, with its name and colour."""

    name: str
    colour: str
    layer: int
    label: int


def segments_of(texts: Mapping[str, str], layers: int) -> tuple[Segment, ...]:
    """The segments that a file's header describes, in order; none when it is no segmentation of Slicer.

    Files before Slicer 4.11 name neither layer nor label: each segment is a layer of its own, marked by 1.
    """
    described: dict[int, dict[str, str]] = {}
    for key, text in texts.items():
        match = _KEY.match(key)
        if match:
            described.setdefault(int(match[1]), {})[match[2]] = text
    return tuple(_segment(k, described[k], k if layers > 1 else 0) for k in sorted(described))


def _segment(number: int, keys: Mapping[str, str], layer: int) -> Segment:
    parts = [part for part in keys.get("Color", "").split() if _NUMBER.fullmatch(part)]
    return Segment(
        clean_name(keys.get("Name") or keys.get("ID"), f"segment {number + 1}"),
        hex_colour([float(part) for part in parts], palette(number)),
        _whole(keys.get("Layer"), layer),
        _whole(keys.get("LabelValue"), 1),
    )


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"\s*\d{1,9}\s*", text) else otherwise


def slicer_regions(layers: Sequence[NDArray[np.generic]], grid: Geometry, segments: Sequence[Segment]) -> RegionSet:
    """Each segment as a region; those without a voxel are named in the warnings. Raises when none has one."""
    names = UniqueNames()
    regions, empty = [], []
    for segment in segments:
        name = names.free(segment.name)
        layer = layers[segment.layer] if segment.layer < len(layers) else np.zeros((0, 0, 0), np.uint8)
        region = Region.from_mask(name, segment.colour, np.equal(layer, segment.label))
        if region.voxels:
            regions.append(region)
        else:
            empty.append(name)
    if not regions:
        raise UserError("The segmentation is empty: none of its segments marks a voxel.", "Choose another file.")
    words = [f"Segments without any voxel are left out: {listed(empty)}."] if empty else []
    if _unnamed(layers, segments):
        words.append("The file holds labels that its header does not name; they are left out.")
    return RegionSet(grid, tuple(regions), tuple(words))


def _unnamed(layers: Sequence[NDArray[np.generic]], segments: Sequence[Segment]) -> bool:
    for number, layer in enumerate(layers):
        known = [0, *(segment.label for segment in segments if segment.layer == number)]
        if any(not np.isin(plane, known).all() for plane in layer):
            return True
    return False
