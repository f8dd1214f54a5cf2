"""The pixels of the slice that is shown, computed by ``render`` and kept until something changes."""

from __future__ import annotations

from time import monotonic

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter

from saliency_viewer.domain import AttributionMap, Volume, Window
from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.render import MapStyle, overlay_rgba, slice_pixels

_LARGE = 2_000_000  # pixels; above, one picture takes longer than a frame of the screen
_BURST = 0.4  # seconds
_SMOOTH = Qt.TransformationMode.SmoothTransformation
_FORMATS = {
    1: QImage.Format.Format_Grayscale8,
    3: QImage.Format.Format_RGB888,
    4: QImage.Format.Format_RGBX8888,
}


def to_image(pixels: NDArray[np.uint8]) -> QImage:
    """A QImage of its own memory from (height, width) grey, (..., 3) RGB or (..., 4) opaque RGBA, uint8."""
    dense = np.ascontiguousarray(pixels)
    height, width = dense.shape[:2]
    kind = _FORMATS[dense.shape[2] if dense.ndim == 3 else 1]
    wrapped = QImage(dense.data, width, height, dense.strides[0], kind)
    # The conversion copies, so that the picture outlives the array; RGB32 is what QPainter draws fastest.
    return wrapped.convertToFormat(QImage.Format.Format_RGB32)


class SlicePicture:
    """Grey values, then the map over them, each computed once per slice.

    The setters only note what is wanted; :meth:`image` does the work when the picture is painted.
    ``thrifty``, for one of many small viewports: a large image is never computed finer than twice what is shown.
    """

    def __init__(self, thrifty: bool = False) -> None:
        self._thrifty = thrifty
        self._volume: Volume | None = None
        self._frame: SliceFrame | None = None
        self._index = 0
        self._window: Window | None = None
        self._graphics = True
        self._map: AttributionMap | None = None
        self._style: MapStyle | None = None
        self._base: NDArray[np.uint8] | None = None
        self._image: QImage | None = None
        self._small: QImage | None = None
        self._computed_at = -_BURST
        self._settled = False

    def set_slice(self, volume: Volume | None, frame: SliceFrame | None, index: int) -> None:
        """Which slice is shown, and how it is turned."""
        if volume is not self._volume or frame != self._frame or index != self._index:
            self._volume, self._frame, self._index = volume, frame, index
            self._forget(base=True)

    def set_window(self, window: Window | None) -> None:
        """The display window; colour images have none."""
        if window != self._window:
            self._window = window
            self._forget(base=True)

    def set_graphics(self, shown: bool) -> None:
        """Whether the file's own graphics are drawn over the image, below the map."""
        if shown != self._graphics:
            self._graphics = shown
            self._forget(base=True)

    def set_map(self, amap: AttributionMap | None, style: MapStyle | None) -> None:
        """The map over the image, or None."""
        if amap is not self._map or style != self._style:
            self._map, self._style = amap, style
            self._forget(base=False)

    def _forget(self, base: bool) -> None:
        self._image = self._small = None
        self._settled = False
        if base:
            self._base = None

    def settle(self) -> None:
        """Changes have come to rest: the next picture is a full one."""
        self._settled = True

    def image(self) -> QImage | None:
        """The picture at one image pixel per pixel, or None when nothing was set."""
        if self._image is None and self._volume is not None and self._frame is not None:
            if self._base is None:
                self._base = self._pixels(self._volume, self._frame, 1)
            self._image = self._coloured(self._base, self._frame, 1)
        return self._image

    def _coloured(self, base: NDArray[np.uint8], frame: SliceFrame, step: int) -> QImage:
        if self._map is not None and self._style is not None:
            base = overlay_rgba(base, frame.cut(self._map.array, self._index)[::step, ::step], self._style)
        self._computed_at = monotonic()
        return to_image(base)

    @property
    def is_unexplained(self) -> bool:
        """Whether the map was computed for some slices only, and this is not one of them."""
        if self._map is None or self._frame is None or not self._map.slices:
            return False
        return self._frame.plane.through == 0 and self._index not in self._map.slices

    def paint(self, painter: QPainter, target: QRectF, smooth: bool) -> bool:
        """Draw the picture into ``target``; smoothly between pixels, or as squares.

        Returns whether it is the full picture. While changes follow each other closely (a window is being
        dragged), a large image that is shown small is drawn from every n-th of its pixels only.
        """
        ratio = painter.device().devicePixelRatioF()
        size = QSize(round(target.width() * ratio), round(target.height() * ratio))
        if self._volume is None or self._frame is None or size.isEmpty():
            return True
        step = self._step(self._frame, size)
        if step > 1:
            image = self._coloured(self._pixels(self._volume, self._frame, step), self._frame, step)
            if self._thrifty:  # average the pixels that are more than what is shown
                image = image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, _SMOOTH)
        else:
            image = self._full(size, smooth)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, image, QRectF(image.rect()))
        return step == 1 or self._thrifty

    def _step(self, frame: SliceFrame, size: QSize) -> int:
        large = frame.width * frame.height > _LARGE
        hurried = not self._settled and monotonic() - self._computed_at < _BURST
        spare = min(frame.width // size.width(), frame.height // size.height())
        if self._thrifty:
            return max(spare // 2, 1)
        if self._image is not None or not large or not hurried:
            return 1
        return max(spare, 1)

    def _full(self, size: QSize, smooth: bool) -> QImage:
        image = self.image() or QImage()
        # Below half size a bilinear painter skips pixels: average them instead.
        if smooth and 2 * size.width() < image.width() and 2 * size.height() < image.height():
            return self._reduced(image, size)
        return image

    def _reduced(self, image: QImage, size: QSize) -> QImage:
        if self._small is None or self._small.size() != size:
            self._small = image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, _SMOOTH)
        return self._small

    def _pixels(self, volume: Volume, frame: SliceFrame, step: int) -> NDArray[np.uint8]:
        def cut(array: NDArray[np.generic]) -> NDArray[np.generic]:
            return frame.cut(array, self._index)[::step, ::step]

        return slice_pixels(volume, cut, self._window or volume.default_window(), self._graphics)
