"""How much of the picture is seen, and where: zoom and pan."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QTransform

SMALLEST_ZOOM = 0.05
LARGEST_ZOOM = 60.0


@dataclass
class Camera:
    """Maps picture pixels to viewport points with the true aspect ratio of the pixels.

    ``zoom`` is relative to the picture that just fits. ``centre`` is the point of the picture, in
    millimetres from its top left corner (pixels without calibration), that stands at the middle of
    the viewport; it stays there when the viewport is resized.
    """

    picture: QSizeF  # pixels
    pixel: QSizeF  # mm
    viewport: QSizeF  # points
    zoom: float = 1.0
    centre: QPointF | None = None

    @property
    def extent(self) -> QSizeF:
        """Size of the picture, mm."""
        return QSizeF(self.picture.width() * self.pixel.width(), self.picture.height() * self.pixel.height())

    @property
    def scale(self) -> float:
        """Viewport points per millimetre."""
        extent = self.extent
        across = self.viewport.width() / max(extent.width(), 1e-9)
        down = self.viewport.height() / max(extent.height(), 1e-9)
        return max(min(across, down), 1e-9) * self.zoom

    def fit(self) -> None:
        """Show the whole picture."""
        self.zoom, self.centre = 1.0, None

    def transform(self) -> QTransform:
        """Picture pixels to viewport points."""
        scale, centre = self.scale, self._middle()
        left = self.viewport.width() / 2 - centre.x() * scale
        top = self.viewport.height() / 2 - centre.y() * scale
        return QTransform(scale * self.pixel.width(), 0.0, 0.0, scale * self.pixel.height(), left, top)

    def picture_rect(self) -> QRectF:
        """Where the picture lies in the viewport."""
        return self.transform().mapRect(QRectF(0, 0, self.picture.width(), self.picture.height()))

    def to_picture(self, point: QPointF) -> QPointF:
        """The picture point (x, y) under a viewport point."""
        inverse, _ = self.transform().inverted()
        return inverse.map(point)

    def zoom_at(self, factor: float, anchor: QPointF) -> None:
        """Zoom by ``factor`` so that what is under ``anchor`` stays there."""
        before = self.to_picture(anchor)
        self.zoom = min(max(self.zoom * factor, SMALLEST_ZOOM), LARGEST_ZOOM)
        moved = self.transform().map(before) - anchor
        self.pan(-moved)

    def pan(self, offset: QPointF) -> None:
        """Move the picture by ``offset`` viewport points; its edge never passes the viewport's middle."""
        scale, centre, extent = self.scale, self._middle(), self.extent
        x = min(max(centre.x() - offset.x() / scale, 0.0), extent.width())
        y = min(max(centre.y() - offset.y() / scale, 0.0), extent.height())
        self.centre = QPointF(x, y)

    def _middle(self) -> QPointF:
        extent = self.extent
        return self.centre if self.centre is not None else QPointF(extent.width() / 2, extent.height() / 2)
