"""Which image it was: a digest of what the model saw, not of the file around it."""

from __future__ import annotations

import hashlib

import numpy as np

from saliency_viewer.domain import Volume


def image_hash(volume: Volume) -> str:
    """SHA-256 hex digest over a volume's values and grid.

    The same pixels give the same digest whatever file format or transfer syntax they came in, as long
    as the reader gives the same type of number.
    """
    digest = hashlib.sha256()
    digest.update(f"{volume.array.dtype.str}{volume.geometry.shape}".encode())
    digest.update(np.ascontiguousarray(np.round(volume.geometry.affine, 6) + 0.0).tobytes())
    digest.update(np.ascontiguousarray(volume.array).data)
    return digest.hexdigest()
