"""Stacks told apart by the order of the planes at each place, where no dimension tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.frames import DIMENSIONS, Frame

_TIMES = ("time", "trigger time", "acquisition", "acquisition time", "content time", "phase")


@dataclass(frozen=True, eq=False)
class Group:
    """Planes that make one stack, and what tells them from the series' other stacks ("echo time 20 ms")."""

    frames: list[Frame]
    label: str = ""
    warnings: tuple[str, ...] = ()


def sortable(said: str) -> tuple[float, str]:
    """Numbers by their size and before texts: 50 stands before 400."""
    try:
        return float(said.split("\\")[0]), said
    except ValueError:
        return float("inf") if said else float("-inf"), said


def by_rank(frames: list[Frame], place: NDArray[np.intp], crowd: NDArray[np.intp]) -> list[Group]:
    """Stacks by rank when most places hold several planes; else copies are left together.

    Of a place that lacks a plane, each one goes to the stack whose time it is nearest to; without times that is not
    known, so every stack says so.
    """
    if not _are_stacks(crowd):
        return [Group(frames)]
    time = _time(frames, place)
    members: list[list[Frame]] = [[] for _ in range(int(crowd.max()))]
    at_place: list[list[Frame]] = [[] for _ in crowd]
    for frame, where in zip(frames, place, strict=True):
        at_place[where].append(frame)
    for here in at_place:
        here.sort(key=lambda frame: _order(frame, time))
    usual = _usual_times([here for here in at_place if len(here) == len(members)], time)
    for here in at_place:
        ranks = range(len(here)) if len(here) == len(members) else _nearest(here, time, usual)
        for rank, frame in zip(ranks, here, strict=True):
            members[rank].append(frame)
    words: tuple[str, ...] = ()
    if crowd.min() < crowd.max() and time is None:
        words = ("incomplete stack: some planes are missing, and the files do not say which stack the others are of.",)
    return [Group(planes, "", words) for planes in members if planes]


def _order(frame: Frame, time: int | None) -> tuple[object, ...]:
    said = sortable(frame.dimensions[time]) if time is not None else (0.0, "")
    return (*said, frame.instance, frame.index, frame.path)


def _time(frames: list[Frame], place: NDArray[np.intp]) -> int | None:
    """The first kind of time that every plane has and that tells all planes at each place apart."""
    for k, (name, _) in enumerate(DIMENSIONS):
        pairs = {(int(where), frame.dimensions[k]) for where, frame in zip(place, frames, strict=True)}
        if name in _TIMES and len(pairs) == len(frames) and all(frame.dimensions[k] for frame in frames):
            return k
    return None


def _usual_times(whole: list[list[Frame]], time: int | None) -> NDArray[np.float64] | None:
    """The median time of each rank over the places where no plane is missing."""
    if time is None or not whole:
        return None
    times = np.array([[sortable(frame.dimensions[time])[0] for frame in here] for here in whole])
    return np.median(times, axis=0) if np.isfinite(times).all() else None


def _nearest(here: list[Frame], time: int | None, usual: NDArray[np.float64] | None) -> list[int]:
    """Ranks of the planes at one place, rising, each the nearest that is still free."""
    if time is None or usual is None:
        return list(range(len(here)))
    ranks: list[int] = []
    for left, frame in zip(range(len(here) - 1, -1, -1), here, strict=True):
        first = ranks[-1] + 1 if ranks else 0
        free = np.arange(first, len(usual) - left)
        ranks.append(int(free[np.argmin(np.abs(usual[free] - sortable(frame.dimensions[time])[0]))]))
    return ranks


def _are_stacks(crowd: NDArray[np.intp]) -> bool:
    """Whether planes at one place are times, the last perhaps incomplete, and not stray copies."""
    crowded = int((crowd > 1).sum())
    return crowded == len(crowd) or (crowded > 1 and 2 * crowded >= len(crowd))
