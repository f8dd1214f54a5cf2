"""Which device computes, and how much memory a computation may take."""

from __future__ import annotations

import os
from pathlib import Path

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.memory import free_bytes

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNKNOWN_MEMORY = 4 * 2**30


def choose_device(wish: str = "auto") -> str:
    """``cpu`` or ``cuda``; raises :class:`UserError` for an unknown or absent device. Imports torch."""
    import torch

    if wish not in ("auto", "cpu", "cuda"):
        raise UserError(f"There is no device '{wish}'.", "Choose one of: auto, cpu, cuda.")
    if wish == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wish == "cuda":
        raise UserError("This computer has no CUDA device that torch can use.", "Choose the device auto or cpu.")
    return "cpu"


def free_memory(device: str = "cpu") -> int:
    """Bytes that are free on ``device``, within the container's limit where there is one."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return min(_system_memory(), _container_memory())


def _system_memory() -> int:
    try:
        free = free_bytes()
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if free is None else free
    except (OSError, ValueError, AttributeError):
        return _UNKNOWN_MEMORY  # Windows has neither; the engine halves its batch when this was too much


def _container_memory() -> int:
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return int(text)
    return 2**63 - 1
