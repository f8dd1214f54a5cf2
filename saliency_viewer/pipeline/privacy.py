"""Keeping the names of the user's files, which may be patients' names, out of what is shown or written."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import PurePath

from saliency_viewer.errors import UserError

_SHORTEST = 3  # shorter parts of a path are no names, and replacing them would make the text unreadable


def without_paths(text: str, paths: Iterable[str]) -> str:
    """``text`` without ``paths`` and without the names of their folders and files."""
    for path in paths:
        if path:
            text = text.replace(path, "<path>")
        parts = {part for part in PurePath(path).parts if len(part) >= _SHORTEST}
        for part in sorted(parts | {PurePath(path).stem}, key=len, reverse=True):
            if len(part) >= _SHORTEST:
                text = text.replace(part, "<name>")
    return text


def unexpected(error: Exception, paths: Iterable[str]) -> UserError:
    """A defect of ours, in words for the user; the traceback is in ``detail``."""
    return UserError(
        f"The analysis failed unexpectedly ({type(error).__name__}).",
        "Please report this together with the technical detail.",
        without_paths("".join(traceback.format_exception(error)), paths),
    )
