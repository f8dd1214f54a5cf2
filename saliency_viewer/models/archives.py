"""Zip archives in memory: nothing is unpacked to disk, and nothing larger than memory is unpacked at all."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.memory import require_memory

# What the zip reader and its unpackers raise for damaged archives. RuntimeError: encrypted, or, as NotImplementedError,
# of a version or a compression that nobody here knows.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, EOFError, ValueError)


def member_bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member. Raises :class:`UserError` when it is missing, damaged, or says that it is larger than memory.

    A member cannot be larger than it says: reading stops there.
    """
    try:
        member = archive.getinfo(name)
        require_memory(member.file_size, "This file")
        return archive.read(member)
    except KeyError:
        raise UserError(f"The archive has no file '{name.rpartition('/')[2]}'.", "Copy or download it again.") from None
    except DAMAGE as error:
        raise UserError(
            f"The file '{name.rpartition('/')[2]}' in the archive cannot be read.",
            "Copy it again; zip it without a password.",
            f"{type(error).__name__}: {error}",
        ) from error
