"""What a header claims, against the bytes that are there, before memory is taken."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.errors import UserError

MOST_VOXELS = 2**31  # of one mask; more is damage or an attack
MOST_SHRUNK = 1032  # times that deflate can shrink zeros
_COMPRESSED = (".gz", ".nrrd", ".mha", ".mgz")  # by name or perhaps inside


def require_bytes(path: Path, claimed: int) -> None:
    """Raise :class:`UserError` when a file cannot hold ``claimed`` bytes of voxels."""
    beside = path.with_suffix(".img") if path.suffix.lower() == ".hdr" else path
    size = beside.stat().st_size if beside.is_file() else 0
    if path.suffix.lower() in _COMPRESSED:
        size *= MOST_SHRUNK
    if claimed > size:
        raise UserError(
            "The mask file is cut short: it is smaller than its own voxels.", "Copy it again from its source."
        )
    require_voxels(claimed)


def require_voxels(claimed: int) -> None:
    """Raise :class:`UserError` for a size that no mask has."""
    if claimed > 8 * MOST_VOXELS:
        raise UserError("The mask file claims an absurd size.", "It may be damaged; copy it again from its source.")
