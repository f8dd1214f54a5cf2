"""The order of an epoch, cut into batches, each read while the one before is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from saliency_viewer.runtime.seeds import generator
from saliency_viewer.training.inputs import Inputs

if TYPE_CHECKING:
    from torch import Tensor

Batch = tuple[tuple[int, ...], "Tensor"]


def batch_count(cases: int, size: int) -> int:
    """Batches of an epoch."""
    return -(-cases // size)


def shuffled(cases: Sequence[int], size: int, seed: int, epoch: int) -> list[tuple[int, ...]]:
    """The batches of one epoch; the same whatever ran before, so that an epoch can be repeated.

    Sizes differ by one at most: batch normalisation has nothing to learn from a last batch of a single case.
    """
    order = generator(seed, "order", epoch).permutation(np.asarray(cases, dtype=np.int64))
    parts = np.array_split(order, batch_count(len(order), size))
    return [tuple(int(case) for case in part) for part in parts]


def in_order(cases: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """The cases as they are, for predictions."""
    return [tuple(cases[start : start + size]) for start in range(0, len(cases), size)]


def loaded(inputs: Inputs, batches: Sequence[tuple[int, ...]]) -> Iterator[Batch]:
    """Each batch with its inputs (N, C, *spatial). One thread reads ahead by one batch, never more.

    Reading a prepared file is a copy out of the system's cache, which a process of its own would only make slower.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        waiting = pool.submit(inputs.load, batches[0]) if batches else None
        for number, batch in enumerate(batches, start=1):
            if waiting is None:
                return
            values = waiting.result()
            waiting = pool.submit(inputs.load, batches[number]) if number < len(batches) else None
            yield batch, values
