"""Overlapping regions as one label map: a table says which labels make up each region.

A label map has one value for each voxel, so a lesion on a lung cannot simply be painted over it: the lung would
have a hole. Written with its table, the map stays readable by every program, and regions come back whole and named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain.regions import Region, RegionSet
from saliency_viewer.spatial import Geometry

_KEY = "saliency-viewer regions"


@dataclass(frozen=True)
class LabelTable:
    """For each region in order: its name and colour, and the labels that belong to it."""

    entries: tuple[tuple[str, str, tuple[int, ...]], ...]

    def to_json(self) -> str:
        """Text for a file header."""
        rows = [{"name": name, "colour": colour, "labels": list(labels)} for name, colour, labels in self.entries]
        return json.dumps({_KEY: rows}, ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LabelTable | None:
        """The table in a header's text; None when the text is something else."""
        try:
            rows = json.loads(text)[_KEY]
            entries = [(str(row["name"]), str(row["colour"]), tuple(map(int, row["labels"]))) for row in rows]
        except (ValueError, TypeError, KeyError):
            return None
        unique = len({name for name, _, _ in entries}) == len(entries)
        return cls(tuple(entries)) if unique and entries else None

    def regions(self, labels: NDArray[np.integer], geometry: Geometry) -> RegionSet:
        """The regions of a label map (slice, row, column)."""
        found = [Region.from_mask(name, colour, np.isin(labels, wanted)) for name, colour, wanted in self.entries]
        return RegionSet(geometry, tuple(found))


def label_map(regions: RegionSet) -> tuple[NDArray[np.int32], LabelTable]:
    """Labels (slice, row, column) with their table.

    A region without overlap has its position as label (1 for the first). One that lies wholly on the same others
    (a lesion on its lung) keeps its own label too; any other overlap gets a label of its own behind the last.
    """
    codes = np.zeros(regions.geometry.shape, dtype=np.int32)
    members: dict[int, frozenset[int]] = {0: frozenset()}
    for position, region in enumerate(regions.regions, start=1):
        _add(codes, members, position, region)
    chosen = _numbers(members, len(regions))
    lookup = np.zeros(max(members) + 1, dtype=np.int32)
    for code, label in chosen.items():
        lookup[code] = label
    rows = [
        (region.name, region.colour, tuple(sorted(label for code, label in chosen.items() if k in members[code])))
        for k, region in enumerate(regions.regions, start=1)
    ]
    return lookup[codes], LabelTable(tuple(rows))


def _add(codes: NDArray[np.int32], members: dict[int, frozenset[int]], position: int, region: Region) -> None:
    """Give every combination of regions that ``region`` touches a code of its own."""
    view = codes[region.box]
    before = view[region.patch]
    after = before.copy()
    for code in np.unique(before):
        fresh = max(members) + 1
        members[fresh] = members[int(code)] | {position}
        after[before == code] = fresh
    view[region.patch] = after


def _numbers(members: Mapping[int, frozenset[int]], count: int) -> dict[int, int]:
    """A label for each combination: the region's own where that is unambiguous, else one behind the last."""
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for code, combination in sorted(members.items(), key=lambda item: len(item[1])):
        own = [k for k in combination if sum(k in other for other in members.values()) == 1]
        if len(combination) == 1:
            own = list(combination)
        free = [k for k in own if k not in taken]
        if combination and free:
            chosen[code] = free[0]
            taken.add(free[0])
    behind = count
    for code, combination in members.items():
        if combination and code not in chosen:
            behind += 1
            chosen[code] = behind
    return chosen
