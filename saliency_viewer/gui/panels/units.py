"""What a length is counted in: never millimetres where the image has none."""

from __future__ import annotations

from saliency_viewer.spatial import Geometry

_UNITS = {"none": "px", "detector": "mm at detector", "patient": "mm"}


def length_unit(geometry: Geometry | None) -> str:
    """``mm``, ``mm at detector`` or ``px``."""
    return _UNITS[geometry.calibration if geometry is not None else "patient"]
