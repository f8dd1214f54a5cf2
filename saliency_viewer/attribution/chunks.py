"""Cutting rows of work into chunks, and smaller ones when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from saliency_viewer.runtime.memory import is_out_of_memory


@dataclass
class Chunker:
    """Remembers the chunk size that fits, across all passes of one run."""

    size: int

    def run(self, rows: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(start, stop)`` until all ``rows`` are done.

        ``work`` must have no effect when it raises an out-of-memory error: it is then called again for
        half as many rows. Such an error for a single row is raised.
        """
        start = 0
        while start < rows:
            # Chunks of nearly equal size: a last one of a single row would be slow, and compiled for itself.
            count = -(-(rows - start) // self.size)
            stop = start + -(-(rows - start) // count)
            try:
                work(start, stop)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or stop - start == 1:
                    raise
                self.size = max(1, (stop - start) // 2)
                _release()
                continue
            start = stop


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
