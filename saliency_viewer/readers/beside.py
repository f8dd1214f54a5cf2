"""Headers that name another file for their voxels: it must lie beside them."""

from __future__ import annotations

import re
from pathlib import Path

from saliency_viewer.errors import UserError

# The voxels of another header: listed under it, never by themselves.
DATA_ENDINGS = (".img", ".img.gz", ".raw", ".raw.gz", ".zraw")


def file_beside(header: Path, name: str) -> Path:
    """The file that ``header`` names, in the header's own folder or below it.

    A name that leads elsewhere (absolute, with "..", over a link) is refused: opening one file must never read
    another one that its sender chose. Raises :class:`UserError`.
    """
    parts = re.split(r"[/\\]", name)
    if not name or name[0] in "/\\~" or ".." in parts or ":" in name or not name.isprintable():
        raise _elsewhere()
    folder = header.parent
    try:
        found = folder.joinpath(*parts)
        if not found.exists():
            # Renamed pairs, and pairs out of a zip: the same name as the header with the other ending.
            found = _renamed(header, parts[-1])
        if not found.resolve().is_relative_to(folder.resolve()):
            raise _elsewhere()
        if not found.is_file():
            raise UserError(
                "The file is only a header, and the file with its voxels is missing.", "Keep both in one folder."
            )
    except (OSError, RuntimeError, ValueError) as error:  # names that no file can have, loops of links
        raise _elsewhere() from error
    return found


def _renamed(header: Path, name: str) -> Path:
    endings = "".join(Path(name).suffixes[-2:]) if name.lower().endswith(".gz") else Path(name).suffix
    return header.with_name(header.stem + endings)


def _elsewhere() -> UserError:
    return UserError(
        "The file is a header whose voxels lie in another folder; such files are not read.",
        "Put both files into one folder and write the plain name into the header, or save them as one file.",
    )
