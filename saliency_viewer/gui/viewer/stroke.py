"""What a drawing tool hands over when the mouse is released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

StrokeTool = Literal["polygon", "brush", "erase"]


@dataclass(frozen=True, eq=False)
class Stroke:
    """One finished stroke on one slice.

    Parameters
    ----------
    tool:
        ``polygon`` (a closed outline), ``brush`` or ``erase`` (the path of a disc's centre).
    axis, index:
        The slice: array axis 0, 1 or 2 and the voxel index along it.
    points:
        (n, 2) float64, voxel-centre coordinates of the two remaining array axes in rising axis order,
        whatever way the picture is turned on the screen; they may lie outside the image.
    radius_mm:
        Radius of the disc, mm (pixels without calibration); 0 for a polygon.
    """

    tool: StrokeTool
    axis: int
    index: int
    points: NDArray[np.float64]
    radius_mm: float = 0.0
