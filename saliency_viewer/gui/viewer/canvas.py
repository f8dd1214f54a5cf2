"""Painting a slice with its map, regions, crosshair and words."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from saliency_viewer.domain import AttributionMap, RegionSet, Volume, Window
from saliency_viewer.gui.viewer import palette
from saliency_viewer.gui.viewer.annotations import (
    Heading,
    image_lines,
    paint_corners,
    paint_empty,
    paint_heading,
    paint_letters,
)
from saliency_viewer.gui.viewer.camera import Camera
from saliency_viewer.gui.viewer.colour_bar import ColourBar
from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.gui.viewer.layer import KeptLayer
from saliency_viewer.gui.viewer.marks import paint_border, paint_crosshair
from saliency_viewer.gui.viewer.picture import SlicePicture
from saliency_viewer.gui.viewer.regions_layer import RegionsLayer
from saliency_viewer.render import MapStyle
from saliency_viewer.spatial import require_same_grid

_REST_MS = 120


class SliceCanvas(QWidget):
    """What was set, painted. It holds nothing else, and asks for nothing.

    The picture with its map and the outlines are two layers that are kept until they or the camera
    change, so that moving a cursor costs two copies, and windowing draws no outline again.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 120)
        self._volume: Volume | None = None
        self._frame: SliceFrame | None = None
        self._axis = 0
        self._index = 0
        self._radiological = True
        self._window: Window | None = None
        self._crosshair: tuple[int, int, int] | None = None
        self._heading = Heading()
        self._active = False
        self._smooth = True
        self._empty_text = "Drop a study here, or open the demo."
        self._camera = Camera(QSizeF(1, 1), QSizeF(1, 1), QSizeF(self.size()))
        self._picture = SlicePicture()
        self._regions = RegionsLayer()
        self._picture_layer = KeptLayer(self, palette.BLACK)
        self._outline_layer = KeptLayer(self, palette.CLEAR)
        self._bar = ColourBar(self)
        self._refine = QTimer(self, singleShot=True, interval=_REST_MS)
        self._refine.timeout.connect(self._paint_in_full)

    # What is shown

    @property
    def axis(self) -> int:
        """Array axis that the slices are perpendicular to."""
        return self._axis

    @property
    def slice_index(self) -> int:
        """The slice that is shown."""
        return self._index

    @property
    def window_shown(self) -> Window | None:
        """The display window; None without an image."""
        return self._window

    @property
    def frame(self) -> SliceFrame | None:
        """How the slice stands on the screen; None without an image."""
        return self._frame

    @property
    def zoom(self) -> float:
        """Magnification relative to the picture that just fits."""
        return self._camera.zoom

    @property
    def colour_bar(self) -> ColourBar:
        """The legend inside this viewport."""
        return self._bar

    @property
    def empty_text(self) -> str:
        """What an empty viewport says: the next step."""
        return self._empty_text

    @empty_text.setter
    def empty_text(self, text: str) -> None:
        self._empty_text = text
        self.update()

    @property
    def points_per_mm(self) -> float:
        """Viewport points per millimetre (per pixel without calibration)."""
        return self._camera.scale

    @property
    def draw_colour(self) -> QColor:
        """Colour of the region that is being drawn."""
        return self._regions.selected_colour

    def to_index(self, position: QPointF) -> tuple[float, float]:
        """Voxel-centre coordinates of the slice's two array axes, rising, under a viewport point."""
        picture = self._camera.to_picture(position)
        first, second = self._shown_frame.to_index((picture.x(), picture.y())).tolist()
        return first, second

    def to_viewport(self, point: tuple[float, float]) -> QPointF:
        """Viewport point of such coordinates."""
        return self._camera.transform().map(QPointF(*self._shown_frame.to_picture(point).tolist()))

    def voxel(self, position: QPointF) -> tuple[int, int, int] | None:
        """The voxel (slice, row, column) under a viewport point; None outside the image."""
        if self._frame is None:
            return None
        picture = self._camera.to_picture(position)
        return self._frame.voxel((picture.x(), picture.y()), self._index)

    @property
    def _shown_frame(self) -> SliceFrame:
        if self._frame is None:
            raise ValueError("the viewport shows no image")
        return self._frame

    # Setting it

    def set_volume(self, volume: Volume | None, axis: int = 0) -> None:
        """Show the slices of ``volume`` along array ``axis`` (0 slice, 1 row, 2 column), the middle one first.

        A map or regions of another grid are taken away, and the window becomes the volume's own.
        None empties the viewport.
        """
        if volume is self._volume and axis == self._axis:
            return
        if volume is not self._volume:
            self._window = volume.default_window() if volume is not None else None
            self._picture.set_window(self._window)
            self.set_map(None, None)
            self.set_regions(None, None)
            self._crosshair = None
        self._volume, self._axis = volume, axis
        self._index = volume.geometry.shape[axis] // 2 if volume is not None else 0
        self._reframe()
        self.fit()

    def set_slice(self, index: int) -> None:
        """Show slice ``index``, clipped to the volume."""
        if self._frame is None:
            return
        self._index = min(max(index, 0), self._frame.slices - 1)
        self._picture.set_slice(self._volume, self._frame, self._index)
        self._repaint()

    def set_window(self, window: Window) -> None:
        """Show the image with this window."""
        self._window = window
        self._picture.set_window(window)
        self._repaint(outlines=False)

    def set_graphics(self, shown: bool) -> None:
        """Draw the graphics that the file lays over its image, or not."""
        self._picture.set_graphics(shown)
        self._repaint(outlines=False)

    def set_map(self, amap: AttributionMap | None, style: MapStyle | None) -> None:
        """Lay a map over the image; None takes it away.

        Raises ``UserError`` when the grids differ or the style names no colour map; nothing is changed then.
        """
        if amap is not None and self._volume is not None:
            require_same_grid(self._volume.geometry, amap.geometry, "The map")
        self._bar.set_style(style if amap is not None else None)
        self._picture.set_map(amap, style)
        self._repaint(outlines=False)

    def set_regions(self, regions: RegionSet | None, selected: str | None = None) -> None:
        """Draw these regions' outlines; ``selected`` is the one being edited. Raises ``UserError`` as set_map."""
        if regions is not None and self._volume is not None:
            require_same_grid(self._volume.geometry, regions.geometry, "The region set")
        self._regions.set_regions(regions, selected)
        self._repaint(picture=False)

    def set_crosshair(self, index: tuple[int, int, int] | None) -> None:
        """Thin lines through the voxel (slice, row, column); None takes them away."""
        self._crosshair = index
        self.update()

    def set_title(self, title: str, subtitle: str = "", badge: str = "", badge_kind: str = "") -> None:
        """Words at the top left; ``badge_kind`` (verified, approximate, failed, not defined) gives the colour."""
        self._heading = Heading(title, subtitle, badge, badge_kind)
        self.setAccessibleName(title)
        self.setAccessibleDescription(", ".join(word for word in (subtitle, badge) if word))
        self.update()

    def set_active(self, active: bool) -> None:
        """A blue frame tells which viewport the tools and keys belong to."""
        self._active = active
        self.update()

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate between pixels (the default), or show them as squares."""
        self._smooth = smooth
        self._repaint(outlines=False)

    def set_radiological(self, radiological: bool) -> None:
        """The patient's right on the left of the picture (the default), or the other way round."""
        self._radiological = radiological
        self._reframe()
        self._repaint()

    def fit(self) -> None:
        """Show the whole picture."""
        self._camera.fit()
        self._repaint()

    def actual_size(self) -> None:
        """One image pixel for one pixel of the screen, as the smaller side of a pixel goes."""
        smaller = min(self._camera.pixel.width(), self._camera.pixel.height())
        per_pixel = self._camera.scale * smaller * self.devicePixelRatioF()
        self._camera.zoom_at(1.0 / per_pixel, QPointF(self.width() / 2, self.height() / 2))
        self._repaint()

    def _reframe(self) -> None:
        if self._volume is None:
            self._frame = None
        else:
            self._frame = frame = SliceFrame.of(self._volume.geometry, self._axis, self._radiological)
            self._camera.picture = QSizeF(frame.width, frame.height)
            self._camera.pixel = QSizeF(*frame.pixel_size)
        self._picture.set_slice(self._volume, self._frame, self._index)

    # Painting

    def _repaint(self, picture: bool = True, outlines: bool = True) -> None:
        if picture:
            self._picture_layer.forget()
        if outlines:
            self._outline_layer.forget()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the middle of the picture in the middle."""
        super().resizeEvent(event)
        self._camera.viewport = QSizeF(self.size())
        self._bar.stand_in(self.size())
        self._repaint()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Copy the layers, then paint what moves over them."""
        # Ended whatever happens: a painter that an error leaves open crashes the program.
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), palette.BLACK)
            if self._frame is None:
                paint_empty(painter, self._empty_text, QRectF(self.rect()))
            else:
                self._picture_layer.draw(painter, self._paint_picture)
                self._outline_layer.draw(painter, self._paint_outlines)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                self._paint_crosshair(painter, self._frame)
                self._paint_words(painter, self._frame)
                self.paint_marks(painter)
            paint_border(painter, QRectF(self.rect()), self._active)

    def paint_marks(self, painter: QPainter) -> None:
        """Hook for what a mouse tool draws over the picture."""

    def _paint_picture(self, painter: QPainter) -> None:
        if not self._picture.paint(painter, self._camera.picture_rect(), self._smooth):
            self._refine.start()

    def _paint_in_full(self) -> None:
        self._picture.settle()
        self._repaint(outlines=False)

    def _paint_outlines(self, painter: QPainter) -> None:
        to_viewport = self._shown_frame.path_transform() * self._camera.transform()
        self._regions.paint(painter, self._axis, self._index, to_viewport)

    def _paint_crosshair(self, painter: QPainter, frame: SliceFrame) -> None:
        if self._crosshair is not None:
            first, second = frame.axes
            middle = self.to_viewport((self._crosshair[first], self._crosshair[second]))
            paint_crosshair(painter, middle, self._camera.picture_rect().intersected(QRectF(self.rect())))

    def _paint_words(self, painter: QPainter, frame: SliceFrame) -> None:
        area = QRectF(self.rect())
        taken = paint_heading(painter, self._heading, area)
        paint_letters(painter, frame.letters, area, taken)
        if self._volume is not None:
            lines = image_lines(self._volume, frame, self._index, self._window)
            if self._picture.is_unexplained:
                lines = ("No map of this slice", *lines)
            paint_corners(painter, lines, self._camera.zoom, area)
