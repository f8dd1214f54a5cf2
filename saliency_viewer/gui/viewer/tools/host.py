"""What a mouse tool may know of its viewport, and ask of it."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from saliency_viewer.domain import Window
from saliency_viewer.gui.viewer.stroke import Stroke

IndexPoint = tuple[float, float]


class ToolHost(Protocol):
    """The viewport as its tools see it.

    Positions are viewport points. Index points are voxel-centre coordinates of the slice's two array
    axes in rising order.
    """

    @property
    def window_shown(self) -> Window | None:
        """The window that is shown."""

    @property
    def whole_numbers(self) -> bool:
        """Whether the image holds integers, whose window cannot be narrower than one."""

    @property
    def slice_place(self) -> tuple[int, int]:
        """Axis and index of the slice."""

    @property
    def brush_radius(self) -> float:
        """Radius of the disc, mm (pixels without calibration)."""

    @property
    def draw_colour(self) -> QColor:
        """Colour of the region that is being drawn."""

    @property
    def points_per_mm(self) -> float:
        """Viewport points per millimetre."""

    def to_index(self, position: QPointF) -> IndexPoint:
        """Index point under a position, also outside the image."""

    def to_viewport(self, point: IndexPoint) -> QPointF:
        """Position of an index point."""

    def voxel(self, position: QPointF) -> tuple[int, int, int] | None:
        """The voxel under a position, None outside the image."""

    def pan(self, offset: QPointF) -> None:
        """Move the picture by viewport points."""

    def refresh(self) -> None:
        """Paint the tool's marks again."""

    def ask_window(self, window: Window) -> None:
        """Say that the user wants that window."""

    def ask_crosshair(self, voxel: tuple[int, int, int]) -> None:
        """Say that the user points at that voxel."""

    def ask_brush_radius(self, radius: float) -> None:
        """Say that the user wants that radius."""

    def finish_stroke(self, stroke: Stroke) -> None:
        """Hand over a finished stroke."""
