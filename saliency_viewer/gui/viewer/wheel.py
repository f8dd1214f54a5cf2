"""Wheel and touchpad movement as whole steps."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtGui import QWheelEvent

_ANGLE_PER_STEP = 120.0
_PIXELS_PER_STEP = 30.0


class WheelSteps:
    """Adds up the small movements of touchpads and fine wheels until they make a step."""

    def __init__(self) -> None:
        self._rest = 0.0

    def steps(self, event: QWheelEvent) -> int:
        """Whole steps since the last call, positive towards the user (the next slice)."""
        moved = -movement(event)
        if moved * self._rest < 0:
            self._rest = 0.0  # turning back must answer at once
        self._rest += moved
        whole = int(self._rest)
        self._rest -= whole
        return whole


def movement(event: QWheelEvent) -> float:
    """Movement in wheel steps, positive away from the user; touchpads give fractions."""
    if not event.pixelDelta().isNull():
        return _main_part(event.pixelDelta()) / _PIXELS_PER_STEP
    return _main_part(event.angleDelta()) / _ANGLE_PER_STEP


def _main_part(delta: QPoint) -> float:
    # Some systems turn the wheel sideways while Alt or Shift is held.
    return float(delta.y() if delta.y() != 0 else delta.x())
