"""Fixing what float sums depend on, for the time of one run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def prepare_torch() -> None:
    """Call before torch is first imported: threads that wait for work must not keep a core busy."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A large network at a few batch sizes has more distinct convolutions than the library remembers by default, and
    # each one that it forgot is compiled again.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """Let torch compute with ``count`` threads; the caller's number comes back afterwards."""
    prepare_torch()
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)
