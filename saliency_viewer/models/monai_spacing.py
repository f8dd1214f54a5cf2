"""Where MONAI's Spacing puts its first cell, which depends on how exactly an image's axes are at right angles.

Source: ``monai.data.utils.compute_shape_offset`` and ``zoom_affine`` (MONAI 1.6).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

SAME_SPACING = 1e-3  # mm: MONAI leaves axes alone whose spacing is so near the wanted one
_ZERO = 1e-8


def keeps_first_centre(columns: NDArray[np.float64], shape: tuple[int, ...], wanted: tuple[float, ...]) -> bool:
    """Whether the first centre stays where it is; else the image's middle does.

    MONAI looks for a corner beyond which nothing of the image lies on the new axes, to within 1e-8 cells. The rounding
    of a NIfTI file's affine to float32 skews axes that are not along the patient's by more than that.

    Parameters
    ----------
    columns:
        (3, 3) mm per cell along each axis, in our order (slice, row, column).
    shape, wanted:
        Cells and new spacing in mm, in our order.
    """
    turned = columns[:, ::-1]
    skewed = np.linalg.cholesky(turned.T @ turned).T / np.asarray(wanted[::-1])[:, None]
    corners = np.array(list(itertools.product(*[(0.0, n - 1.0) for n in shape[::-1]]))) @ skewed.T
    return bool(((corners[None] - corners[:, None]).min(axis=1) >= -_ZERO).all(axis=1).any())
