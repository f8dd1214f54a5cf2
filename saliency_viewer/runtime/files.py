"""Writing files so that a crash or a full disk never leaves half a file behind."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saliency_viewer.errors import UserError

_REASONS = {
    errno.ENOSPC: ("The disk is full, so nothing more could be written.", "Free some space or choose another folder."),
    errno.EDQUOT: (
        "Your disk quota is used up, so nothing more could be written.",
        "Free some space or choose another folder.",
    ),
    errno.EACCES: ("The output folder may not be written to.", "Choose a folder that you own."),
    errno.EPERM: ("The output folder may not be written to.", "Choose a folder that you own."),
    errno.EROFS: ("The output folder is on a read-only disk.", "Choose another folder."),
    errno.ENOTDIR: ("A file stands where the output folder should be.", "Choose another folder."),
    errno.EEXIST: ("A file stands where the output folder should be.", "Choose another folder."),
}


def write_error(error: OSError) -> UserError:
    """The :class:`UserError` for a failed write, without the path (paths can hold patient names)."""
    message, hint = _REASONS.get(
        error.errno or 0, ("A file could not be written.", "Check the output folder and try again.")
    )
    return UserError(message, hint, f"{type(error).__name__}: {error.strerror}")


def make_folder(path: Path) -> Path:
    """Create ``path`` with its parents; raises :class:`UserError` when that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error) from error
    return path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that replaces it when the block ends without an error.

    The temporary keeps ``path``'s suffixes, since many writers choose the format by them.
    Raises :class:`UserError` when the disk refuses; the old file is then untouched.
    """
    temporary: Path | None = None
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix="".join(path.suffixes[-2:]))
        temporary = Path(name)
        os.close(handle)
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise write_error(error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """Make the bytes durable before the rename, else a power cut can leave an empty file under the new name."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)  # mkstemp makes files private; exported ones follow the user's mask
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` atomically as UTF-8 with line feeds as line ends on every platform."""
    write_bytes(path, content.encode("utf-8"))
