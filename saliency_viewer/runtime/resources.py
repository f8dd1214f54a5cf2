"""Finding the files that ship with the program."""

from __future__ import annotations

import sys
from pathlib import Path

from saliency_viewer.errors import UserError


def resource_path(*parts: str) -> Path:
    """Path of a shipped file or folder, e.g. ``resource_path("models", "chest")``.

    Looks inside the installed package (wheel and frozen program), then beside it (checkout and
    editable install). Raises :class:`UserError` when it is nowhere, which means a broken installation.
    """
    package = Path(__file__).resolve().parent.parent
    candidates = [package / "resources", package.parent / "resources"]
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen:
        candidates.insert(0, Path(frozen) / "saliency_viewer" / "resources")
    for root in candidates:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise UserError(
        "A file that belongs to the program is missing.",
        "Install Saliency Viewer again.",
        f"resource {'/'.join(parts)} not found",
    )
