"""Random numbers that depend on what they are for, never on how the work was cut into batches."""

from __future__ import annotations

import hashlib

import numpy as np


def derived_seed(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for the stream named by ``labels`` under the user's ``seed``.

    Every sample of a stochastic method gets its own (``derived_seed(seed, "smooth-grad", 7)``), so the map is the same
    whatever the batch size is and whatever else is in the batch.
    """
    text = "\x1f".join([str(seed), *map(str, labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """A NumPy generator on the derived stream."""
    return np.random.default_rng(derived_seed(seed, *labels))
