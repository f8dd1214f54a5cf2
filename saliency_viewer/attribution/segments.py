"""Segments of an image at several scales, and their ranking by what lies in them (XRAI)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.intp]
_SCALES = (50, 100, 150, 250, 500, 1200)  # of Felzenszwalb's graph-based segmentation, as in PAIR's code
_SMOOTHING = 0.8
_SMALLEST = 150  # pixels of a segment
_SUPERVOXELS = (50, 100, 200, 400)  # numbers of supervoxels in three dimensions, where the graph method is not defined
_LEAST_GAIN = 50  # positions: a segment that adds fewer is not worth a rank of its own


def segments_of(image: NDArray[np.float64], dilation: int) -> Iterator[Positions]:
    """All segments of an image (C, *spatial) at all scales, widened by ``dilation`` positions: flat positions of each.

    Whole masks of hundreds of segments of a volume would not fit into memory.
    """
    from scipy import ndimage

    for labels in _volume_labels(image) if image.ndim == 4 else _plane_labels(image):
        boxes = ndimage.find_objects(labels + 1)  # which takes 0 for none
        for number, box in enumerate(boxes):
            if box is not None:
                yield _widened(labels, number, box, dilation)


def _widened(labels: NDArray[np.intp], number: int, box: tuple[slice, ...], dilation: int) -> Positions:
    from scipy import ndimage

    sides = [
        slice(max(side.start - dilation, 0), min(side.stop + dilation, size))
        for side, size in zip(box, labels.shape, strict=True)
    ]
    mask = labels[tuple(sides)] == number
    if dilation:
        mask = ndimage.binary_dilation(mask, iterations=dilation)
    inside = np.nonzero(mask)
    whole = tuple(places + side.start for places, side in zip(inside, sides, strict=True))
    found: Positions = np.ravel_multi_index(whole, labels.shape)
    return found


def _plane_labels(image: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Felzenszwalb and Huttenlocher 2004 in the plane; a signal of one axis is a plane of one row."""
    from skimage.segmentation import felzenszwalb

    plane = np.moveaxis(image if image.ndim == 3 else image[:, None], 0, -1)
    scaled = _between(plane, -1.0, 1.0)
    smallest = min(_SMALLEST, max(2, scaled[..., 0].size // 50))  # small images have small segments
    found = [
        felzenszwalb(scaled, scale=scale, sigma=_SMOOTHING, min_size=smallest, channel_axis=-1) for scale in _SCALES
    ]
    return [labels.reshape(image.shape[1:]) for labels in found]


def _volume_labels(image: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Supervoxels (SLIC, Achanta et al. 2012)."""
    from skimage.segmentation import slic

    scaled = _between(np.moveaxis(image, 0, -1), 0.0, 1.0)
    return [slic(scaled, n_segments=count, compactness=0.1, sigma=1, channel_axis=-1) for count in _SUPERVOXELS]


def _between(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    smallest, largest = values.min(), values.max()
    scaled: NDArray[np.float64] = low + (high - low) * (values - smallest) / ((largest - smallest) or 1.0)
    return scaled


def ranked_segments(density: NDArray[np.float64], segments: Iterable[Positions]) -> NDArray[np.float64]:
    """(*spatial): for each position the mean ``density`` that its segment added when it was taken in.

    The segment whose new positions have the highest mean comes next (Kapishnikov et al. 2019, algorithm 1). Positions
    that no segment brings in get the mean of what is left.
    """
    flat = density.ravel()
    members = list(segments)
    least = min(_LEAST_GAIN, max(1, flat.size // 200))
    result, covered = np.zeros(flat.size), np.zeros(flat.size, dtype=bool)
    while True:
        members = [kept for kept in (found[~covered[found]] for found in members) if len(kept) >= least]
        if not members:
            break
        means = [flat[found].mean() for found in members]
        best = int(np.argmax(means))
        result[members[best]], covered[members[best]] = means[best], True
    if not covered.all():
        result[~covered] = flat[~covered].mean()
    return result.reshape(density.shape)
