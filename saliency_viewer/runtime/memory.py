"""Whether something fits into memory, asked before it is taken; and whether an error says that it did not fit."""

from __future__ import annotations

import sys
from pathlib import Path

from saliency_viewer.errors import UserError

# What allocators say, of the CPU, of Windows' pages and of the GPU's libraries, where they raise no error of their own.
_SIGNS = ("not enough memory", "out of memory", "can't allocate memory", "bad_alloc", "unable to mmap", "alloc_failed")
_PART = 0.9  # of what is free; the rest is for everything else that runs


def require_memory(needed: int, what: str = "The image") -> None:
    """Raise :class:`UserError` when the ``needed`` bytes of ``what`` are more than the machine says it has free."""
    free = free_bytes()
    if free is not None and needed > _PART * free:
        raise UserError(
            f"{what} needs {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free.",
            "Close other programs, or open it on a machine with more memory.",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory ran out."""
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


def free_bytes() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def peak_bytes() -> int | None:
    """The most memory that this process has held so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return most if sys.platform == "darwin" else most * 1024
