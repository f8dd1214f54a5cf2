"""Separating planes that lie at the same places: orientations, times, echoes, b-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.frames import DIMENSIONS, Frame

SAME_PLACE = 1e-3  # mm; closer planes are one place whatever their distance
_PART_OF_GAP = 0.02  # planes closer than this part of the common gap are one place
_SAME_DIRECTION = 0.9999  # cosine; directions written with few digits differ by less
_SORTABLE = ("time", "trigger time", "acquisition", "acquisition time", "content time", "phase")


@dataclass(frozen=True, eq=False)
class Group:
    """Planes that make one stack, and what tells them from the series' other stacks ("echo time 20 ms")."""

    frames: list[Frame]
    label: str = ""


def split(frames: list[Frame]) -> list[Group]:
    """Stacks of a series: by orientation, then by whatever makes each place occur once."""
    found: list[Group] = []
    groups = _by_orientation(frames)
    for group in groups:
        found += _by_dimension(group)
    return found


def along(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Places along the first plane's normal, mm; 0 for planes without a place."""
    orientation = np.array(frames[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([frame.position or (0.0, 0.0, 0.0) for frame in frames]) @ normal


def _by_orientation(frames: list[Frame]) -> list[list[Frame]]:
    """Planes whose directions agree but for rounding; exact keys first, so that most planes cost a look-up."""
    kinds: list[NDArray[np.float64] | None] = []
    known: dict[tuple[float, ...] | None, int] = {}
    groups: list[list[Frame]] = []
    for frame in frames:
        key = frame.orientation
        if key not in known:
            known[key] = _kind(key, kinds)
            if known[key] == len(groups):
                kinds.append(None if key is None else np.array(key))
                groups.append([])
        groups[known[key]].append(frame)
    return groups


def _kind(orientation: tuple[float, ...] | None, kinds: list[NDArray[np.float64] | None]) -> int:
    for number, kind in enumerate(kinds):
        if orientation is None or kind is None:
            if orientation is None and kind is None:
                return number
            continue
        rows = float(np.dot(orientation[:3], kind[:3])), float(np.dot(orientation[3:], kind[3:]))
        if min(rows) > _SAME_DIRECTION:
            return number
    return len(kinds)


def places(frames: list[Frame]) -> NDArray[np.intp]:
    """The number of each plane's place, from 0 along the normal."""
    where = along(frames)
    order = np.argsort(where, kind="stable")
    gaps = np.diff(where[order])
    apart = gaps[gaps > SAME_PLACE]
    least = max(SAME_PLACE, _PART_OF_GAP * float(np.median(apart))) if apart.size else SAME_PLACE
    numbers = np.empty(len(frames), dtype=np.intp)
    numbers[order] = np.concatenate([[0], np.cumsum(gaps > least)])
    return numbers


def _by_dimension(frames: list[Frame]) -> list[Group]:
    if len(frames) == 1 or any(frame.position is None for frame in frames):
        return [Group(frames)]
    place = places(frames)
    crowd = np.bincount(place)
    most = int(crowd.max())
    if most == 1 or (len(crowd) == 1 and not _told_apart(frames, most)):
        return [Group(frames)]
    for chosen in _candidates(frames):
        keys = [tuple(frame.dimensions[k] for k in chosen) for frame in frames]
        if len(set(keys)) == most and len(set(zip(place.tolist(), keys, strict=True))) == len(frames):
            return _grouped(frames, keys, chosen)
    return _by_rank(frames, place, crowd)


def _told_apart(frames: list[Frame], most: int) -> bool:
    """Whether planes at one single place are times or echoes, not copies of one picture."""
    return any(len({frame.dimensions[k] for frame in frames}) == most for k in range(len(DIMENSIONS)))


def _candidates(frames: list[Frame]) -> list[tuple[int, ...]]:
    """Dimensions that vary at all, alone and in pairs and threes, most telling first."""
    varying = [k for k in range(len(DIMENSIONS)) if len({frame.dimensions[k] for frame in frames}) > 1]
    return [chosen for size in (1, 2, 3) for chosen in combinations(varying, size)]


def _grouped(frames: list[Frame], keys: list[tuple[str, ...]], chosen: tuple[int, ...]) -> list[Group]:
    members: dict[tuple[str, ...], list[Frame]] = {}
    for frame, key in zip(frames, keys, strict=True):
        members.setdefault(key, []).append(frame)
    ordered = sorted(members, key=lambda key: [_sortable(part) for part in key])
    names = [_spoken(key, chosen) for key in ordered]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    return [Group(members[key], "" if name in repeated else name) for key, name in zip(ordered, names, strict=True)]


def _sortable(said: str) -> tuple[float, str]:
    """Numbers by their size and before texts: 50 stands before 400."""
    try:
        return float(said.split("\\")[0]), said
    except ValueError:
        return float("inf") if said else float("-inf"), said


def _spoken(key: tuple[str, ...], chosen: tuple[int, ...]) -> str:
    parts = []
    for said, k in zip(key, chosen, strict=True):
        name, unit = DIMENSIONS[k]
        if not said or name in ("direction", "stack", "acquisition time", "content time"):
            continue  # times of day identify the visit, gradient directions are vectors
        number = _sortable(said)[0]
        shown = f"{number:g}" if np.isfinite(number) and "\\" not in said else said.lower()
        parts.append(" ".join(word for word in ("" if name == "kind" else name, shown, unit) if word))
    return ", ".join(parts)


def _by_rank(frames: list[Frame], place: NDArray[np.intp], crowd: NDArray[np.intp]) -> list[Group]:
    """Stacks by the order of the planes at each place, when each place has as many; else copies are left together."""
    if not _are_stacks(crowd):
        return [Group(frames)]
    by = _order(frames, place)
    members: list[list[Frame]] = [[] for _ in range(int(crowd.max()))]
    for number in range(len(crowd)):
        here = sorted((frames[k] for k in np.flatnonzero(place == number)), key=by)
        for rank, frame in enumerate(here):
            members[rank].append(frame)
    return [Group(planes) for planes in members]


def _order(frames: list[Frame], place: NDArray[np.intp]) -> Callable[[Frame], Any]:
    """A sorting key of planes at one place: the first time that tells all of them apart, else instance numbers."""
    for k, (name, _) in enumerate(DIMENSIONS):
        pairs = {(int(where), frame.dimensions[k]) for where, frame in zip(place, frames, strict=True)}
        if name in _SORTABLE and len(pairs) == len(frames) and all(frame.dimensions[k] for frame in frames):
            return lambda frame, k=k: (_sortable(frame.dimensions[k]), frame.instance, frame.index)  # type: ignore[misc]
    return lambda frame: (frame.instance, frame.path, frame.index)


def _are_stacks(crowd: NDArray[np.intp]) -> bool:
    """Whether planes at one place are times, the last perhaps incomplete, and not stray copies."""
    crowded = int((crowd > 1).sum())
    return crowded == len(crowd) or (crowded > 1 and 2 * crowded >= len(crowd))
