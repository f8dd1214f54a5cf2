"""Whether what lies at a path is still what it was: cheap to ask, and without reading it."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.errors import UserError
from saliency_viewer.readers.parts import parts_of


def stamp(path: str) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the files at ``path``, cheap to compare; raises :class:`UserError` when absent.

    A header is stamped with the file of its voxels; what cannot be reached in a folder (a broken link) has no stamp.
    """
    root = Path(path)
    try:
        first = _stamp_of(root, root)
        if root.is_dir():
            found = [_reached(file, root) for file in sorted(root.rglob("*")) if not file.is_dir()]
        else:
            found = [first, *(_reached(part, root.parent) for part in parts_of(root)[1:])]
        return tuple(one for one in found if one is not None)
    except FileNotFoundError:
        raise UserError("There is nothing at the given path.", "Check the spelling of the path.") from None
    except OSError as error:
        raise UserError(
            "The given path cannot be read.", "Check that you may open it.", type(error).__name__
        ) from error


def _stamp_of(file: Path, root: Path) -> tuple[str, int, int]:
    status = file.stat()
    return str(file.relative_to(root)), status.st_mtime_ns, status.st_size


def _reached(file: Path, root: Path) -> tuple[str, int, int] | None:
    try:
        return _stamp_of(file, root)
    except OSError:
        return None
