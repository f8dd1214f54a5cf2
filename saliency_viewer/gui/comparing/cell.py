"""A small viewport of the comparison: it zooms and pans with its neighbours and draws contours."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from saliency_viewer.gui.comparing.contours import Contour, ContourLines, KeptLines
from saliency_viewer.gui.viewer import SliceView, palette
from saliency_viewer.gui.viewer.annotations import paint_corners, paint_heading, paint_letters
from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.gui.viewer.layer import KeptLayer
from saliency_viewer.gui.viewer.picture import SlicePicture
from saliency_viewer.gui.viewer.regions_layer import OutlinePaths, RegionsLayer

_MARGIN = 4
View = tuple[float, QPointF | None]  # zoom, and the point in the middle (mm); None: the picture's middle


@dataclass
class Traced:
    """What all cells draw alike is traced once."""

    outlines: OutlinePaths = field(default_factory=OutlinePaths)
    contours: KeptLines = field(default_factory=KeptLines)


class CompareCell(SliceView):
    """A :class:`SliceView` whose zoom and pan can be handed on; it says less, as it is small."""

    looked = Signal()  # zoomed or panned by the user

    def __init__(self, parent: QWidget | None = None, traced: Traced | None = None) -> None:
        super().__init__(parent)
        traced = traced or Traced()
        self._picture = SlicePicture(thrifty=True)
        self._regions, self._lines = RegionsLayer(traced.outlines), ContourLines(traced.contours)
        self._line_layer = KeptLayer(self, palette.CLEAR)

    @property
    def look(self) -> View:
        """How much of the picture is seen, and where."""
        return self._camera.zoom, self._camera.centre

    def set_look(self, look: View) -> None:
        """See the same part of the picture as another cell."""
        if look != self.look:
            self._camera.zoom, self._camera.centre = look
            self._repaint()

    @property
    def contours(self) -> tuple[Contour, ...]:
        """The contours that are drawn."""
        return self._lines.contours

    def set_contours(self, contours: tuple[Contour, ...]) -> None:
        """Lines over the picture."""
        self._lines.set(contours)
        self._line_layer.forget()
        self.update()

    def fit(self) -> None:
        """Show the whole picture, here and beside."""
        super().fit()
        self.looked.emit()

    def pan(self, offset: QPointF) -> None:
        """Move the picture, here and beside."""
        super().pan(offset)
        self.looked.emit()

    def _zoom(self, factor: float, anchor: QPointF) -> None:
        super()._zoom(factor, anchor)
        self.looked.emit()

    def _repaint(self, picture: bool = True, outlines: bool = True) -> None:
        if outlines:
            self._line_layer.forget()
        super()._repaint(picture, outlines)

    def _paint_lines(self, painter: QPainter) -> None:
        to_viewport = self._shown_frame.path_transform() * self._camera.transform()
        self._lines.paint(painter, self.axis, self.slice_index, to_viewport)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """The colour bar stands in the corner: in the middle of a small picture it would hide the findings."""
        super().resizeEvent(event)
        corner = self.rect().bottomRight() - self._bar.rect().bottomRight()
        self._bar.move(corner.x() - _MARGIN, corner.y() - _MARGIN)

    def _paint_words(self, painter: QPainter, frame: SliceFrame) -> None:
        self._line_layer.draw(painter, self._paint_lines)  # below the words, which could not be read else
        area = QRectF(self.rect())
        taken = paint_heading(painter, self._heading, area)
        paint_letters(painter, frame.letters, area, taken)
        if self._picture.is_unexplained:
            paint_corners(painter, ("No map of this slice",), self._camera.zoom, area)
