"""The files of a folder and of the folders in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from saliency_viewer.runtime.context import RunContext

_DEEPEST = 16
_MOST_ENTRIES = 200_000
OPEN_A_PART = "Open a part of the folder."


def _unheard(_what: Any) -> None:
    """Nobody asked."""


def files_below(
    folder: Path,
    context: RunContext,
    limited: Callable[[str], None] = _unheard,
    closed: Callable[[Path], None] = _unheard,
) -> Iterator[Path]:
    """Ordinary files below ``folder`` in the order of their names, folders after the files beside them.

    Links to folders are not followed, so loops cannot happen; hidden files, and folders that may not be entered, are
    left out; ``closed`` hears of the latter. Depth and number are bounded; ``limited`` hears of it, once each, when
    a bound leaves something out.
    """
    left, too_deep = _MOST_ENTRIES, False
    waiting = [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        context.check()
        try:
            with os.scandir(place) as entries:
                found = sorted((one for one in entries if not one.name.startswith(".")), key=lambda one: one.name)
        except OSError:  # no permission, or gone since
            closed(place)
            continue
        below = [Path(one.path) for one in found if one.is_dir(follow_symlinks=False) and one.name != "__MACOSX"]
        if depth < _DEEPEST:
            waiting += [(one, depth + 1) for one in reversed(below)]
        elif below and not too_deep:
            too_deep = True
            limited(f"Folders more than {_DEEPEST} deep are not looked at. Open one of them by itself.")
        for one in found:
            left -= 1
            if left < 0:
                limited(
                    f"The folder holds more than {_MOST_ENTRIES} files; the others are not looked at. {OPEN_A_PART}"
                )
                return
            if _ordinary(one):
                yield Path(one.path)


def _ordinary(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False
