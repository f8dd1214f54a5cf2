"""Separating planes that lie at the same places: orientations, times, echoes, b-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.frames import DIMENSIONS, Frame
from saliency_viewer.readers.dicom.ranking import Group, by_rank, sortable

SAME_PLACE = 1e-3  # mm; closer planes are one place whatever their distance
_PART_OF_GAP = 0.02  # planes closer than this part of the common gap are one place
_SAME_DIRECTION = 0.99999  # cosine of a quarter of a degree; directions written with few digits differ by less
_UNEVEN = 0.05  # part of the common gap by which gaps of a stack that may be several differ
_EVEN = 0.01  # part of it by which gaps of one stack may


def split(frames: list[Frame]) -> list[Group]:
    """Stacks of a series: by orientation, then by whatever makes each place occur once."""
    groups = [part for group in _by_orientation(frames) for part in _by_said_stack(group)]
    return [found for group in groups for found in _by_dimension(group)]


def _by_said_stack(frames: list[Frame]) -> list[list[Frame]]:
    """Enhanced files say which planes make a stack, and at which pixel size; two breasts are two stacks."""
    k = [name for name, _ in DIMENSIONS].index("stack")
    members: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        members.setdefault((frame.dimensions[k], frame.spacing), []).append(frame)
    return list(members.values()) if 2 * len(members) <= len(frames) else [frames]


def along(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Places along the first plane's normal, mm; 0 for planes without a place."""
    orientation = np.array(frames[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([frame.position or (0.0, 0.0, 0.0) for frame in frames]) @ normal


def _by_orientation(frames: list[Frame]) -> list[list[Frame]]:
    """Planes whose directions agree but for rounding; exact keys first, so that most planes cost a look-up."""
    kinds = np.empty((0, 6))
    known: dict[tuple[float, ...] | None, int] = {}
    groups: list[list[Frame]] = []
    place_of_kind: list[int] = []
    for frame in frames:
        key = frame.orientation
        if key not in known:
            found = _kind(key, kinds)
            if found is None:
                groups.append([])
                known[key] = len(groups) - 1
                if key is not None:
                    kinds = np.vstack([kinds, key])
                    place_of_kind.append(known[key])
            else:
                known[key] = place_of_kind[found]
        groups[known[key]].append(frame)
    return groups


def _kind(orientation: tuple[float, ...] | None, kinds: NDArray[np.float64]) -> int | None:
    """The first of ``kinds`` (n, 6) that has these directions; None when it is a new one."""
    if orientation is None:
        return None
    right, down = kinds[:, :3] @ orientation[:3], kinds[:, 3:] @ orientation[3:]
    alike = np.flatnonzero(np.minimum(right, down) > _SAME_DIRECTION)
    return int(alike[0]) if alike.size else None


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
    if most == 1:
        return _interleaved(frames) or [Group(frames)]
    for chosen in _candidates(frames):
        keys = [tuple(frame.dimensions[k] for k in chosen) for frame in frames]
        if len(set(keys)) == most and len(set(zip(place.tolist(), keys, strict=True))) == len(frames):
            return _grouped(frames, keys, chosen)
    return by_rank(frames, place, crowd)


def _interleaved(frames: list[Frame]) -> list[Group]:
    """Stacks that lie a little beside each other, as when the table moved between two phases; empty without."""
    where = along(frames)
    gaps = np.diff(np.sort(where))
    if len(gaps) < 4 or np.ptp(gaps) <= _UNEVEN * float(np.median(gaps)):
        return []
    for (k,) in (chosen for chosen in _candidates(frames) if len(chosen) == 1):
        members: dict[str, list[int]] = {}
        for number, frame in enumerate(frames):
            members.setdefault(frame.dimensions[k], []).append(number)
        parts = [np.sort(where[numbers]) for numbers in members.values()]
        if all(len(part) > 2 and _is_even(part) for part in parts) and _overlap(parts):
            return _grouped(frames, [(frame.dimensions[k],) for frame in frames], (k,))
    return []


def _is_even(where: NDArray[np.float64]) -> bool:
    gaps = np.diff(where)
    return bool(np.ptp(gaps) <= max(_EVEN * float(np.median(gaps)), 2 * SAME_PLACE))


def _overlap(parts: list[NDArray[np.float64]]) -> bool:
    return bool(max(part[0] for part in parts) < min(part[-1] for part in parts))


def _candidates(frames: list[Frame]) -> list[tuple[int, ...]]:
    """Dimensions that vary at all, alone and in pairs and threes, most telling first."""
    varying = [k for k in range(len(DIMENSIONS)) if len({frame.dimensions[k] for frame in frames}) > 1]
    return [chosen for size in (1, 2, 3) for chosen in combinations(varying, size)]


def _grouped(frames: list[Frame], keys: list[tuple[str, ...]], chosen: tuple[int, ...]) -> list[Group]:
    members: dict[tuple[str, ...], list[Frame]] = {}
    for frame, key in zip(frames, keys, strict=True):
        members.setdefault(key, []).append(frame)
    ordered = sorted(members, key=lambda key: [sortable(part) for part in key])
    names = [_spoken(key, chosen) for key in ordered]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    return [Group(members[key], "" if name in repeated else name) for key, name in zip(ordered, names, strict=True)]


def _spoken(key: tuple[str, ...], chosen: tuple[int, ...]) -> str:
    parts = []
    for said, k in zip(key, chosen, strict=True):
        name, unit = DIMENSIONS[k]
        if not said or name in ("direction", "stack", "acquisition time", "content time"):
            continue  # times of day identify the visit, gradient directions are vectors
        number = sortable(said)[0]
        shown = f"{number:g}" if np.isfinite(number) and "\\" not in said else said.lower()
        parts.append(" ".join(word for word in ("" if name == "kind" else name, shown, unit) if word))
    return ", ".join(parts)
