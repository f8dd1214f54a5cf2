"""The slice viewport: what the user does in it, said as intents."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import (
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from saliency_viewer.domain import Volume, Window
from saliency_viewer.gui.viewer.canvas import SliceCanvas
from saliency_viewer.gui.viewer.stroke import Stroke
from saliency_viewer.gui.viewer.tools import TOOLS, MouseTool, PanTool, WindowTool
from saliency_viewer.gui.viewer.wheel import WheelSteps, movement

_ZOOM_PER_STEP = 1.15
_SLICE_KEYS: dict[int, int] = {
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -10,
    Qt.Key.Key_PageDown: 10,
}


class SliceView(SliceCanvas):
    """One slice with its map and regions, and the mouse over it.

    It changes nothing but its own zoom and pan: slices, windows, crosshairs, strokes and brush sizes
    are asked for by signals, and shown once they are set. The left button does what the tool says,
    the middle one always pans, the right one always sets the window.
    """

    slice_requested = Signal(int, int)  # axis, index
    window_requested = Signal(object)  # Window
    crosshair_requested = Signal(object)  # (slice, row, column)
    probed = Signal(object)  # (slice, row, column), or None outside the image
    stroke_finished = Signal(object)  # Stroke
    brush_radius_requested = Signal(float)  # mm
    activated = Signal()
    gesture_changed = Signal()  # see drawing

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._tools = {tool.name: tool(self) for tool in TOOLS}
        self._tool: MouseTool = self._tools["window"]
        self._fixed: dict[Qt.MouseButton, MouseTool] = {
            Qt.MouseButton.MiddleButton: PanTool(self),
            Qt.MouseButton.RightButton: WindowTool(self),
        }
        self._held: tuple[Qt.MouseButton, MouseTool] | None = None
        self._drawing = False  # as it was said last
        self._wheel = WheelSteps()
        self._mouse: QPointF | None = None
        self._probed: tuple[int, int, int] | None = None
        self.brush_radius = 5.0
        self.set_tool("window")

    # Setting

    @property
    def tool(self) -> str:
        """Name of the tool of the left button."""
        return self._tool.name

    @property
    def drawing(self) -> bool:
        """Whether an outline or a stroke is unfinished."""
        return self._tool.busy

    def set_tool(self, name: str) -> None:
        """Give the left button a tool; what was half drawn is dropped. Raises ``ValueError`` for another name."""
        if name not in self._tools:
            raise ValueError(f"unknown tool {name!r}")
        if self._tools[name] is not self._tool:
            self._drop_gesture()
            self._tool.hover(None)
            self._tool = self._tools[name]
        self.setCursor(self._tool.cursor)
        self.update()

    def set_brush_radius(self, radius: float) -> None:
        """Radius of the brush, mm (pixels without calibration)."""
        self.brush_radius = radius
        self.update()

    def set_volume(self, volume: Volume | None, axis: int = 0) -> None:
        """As :meth:`SliceCanvas.set_volume`; what was half drawn is dropped."""
        self._drop_gesture()
        super().set_volume(volume, axis)
        self._probe()

    def set_slice(self, index: int) -> None:
        """As :meth:`SliceCanvas.set_slice`; what was half drawn on another slice is dropped."""
        if index != self.slice_index and self._tool.busy:
            self._drop_gesture()
        super().set_slice(index)
        self._probe()

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a gesture; the first button that is held keeps the mouse."""
        self.activated.emit()
        # A release that never came (the window was hidden) must not lock the mouse for ever.
        if self.frame is None or (self._held is not None and self._held[0] in event.buttons() ^ event.button()):
            return
        tool = self._fixed.get(event.button())
        if event.button() == Qt.MouseButton.LeftButton:
            tool = self._tool
        if tool is not None:
            self._held = event.button(), tool
            if tool.held_cursor is not None:
                self.setCursor(tool.held_cursor)
            tool.press(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go on with the gesture, and say which voxel is under the mouse."""
        if self.frame is None:
            return
        if self._held is not None:
            self._held[1].drag(event.position())
        else:
            self._tool.hover(event.position())
        self._mouse = event.position()
        self._probe()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """End the gesture of the button that began it."""
        if self._held is not None and self._held[0] == event.button():
            tool = self._held[1]
            self._held = None
            self.setCursor(self._tool.cursor)
            tool.release(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the picture, unless the tool draws."""
        if self.frame is None or event.button() != Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        elif self._tool.draws:
            self._held = event.button(), self._tool
            self._tool.double_click(event.position())
        else:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Scroll the slices; with Ctrl, or where there is one slice only, zoom at the cursor."""
        event.accept()
        if self.frame is None:
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier or self.frame.slices == 1:
            self._zoom(_ZOOM_PER_STEP ** movement(event), event.position())
        else:
            self._scroll(self._wheel.steps(event))

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Show the tool's mark at once."""
        super().enterEvent(event)
        if self.frame is not None and self._held is None:
            self._tool.hover(event.position())

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing is under the mouse any more."""
        super().leaveEvent(event)
        self._tool.hover(None)
        self._mouse = None
        self._probe()

    def event(self, event: QEvent) -> bool:
        """Pinching a touchpad zooms; a key that the tool wants is kept from the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if self._tool.wants(event.key()):
                event.accept()
                return True
            return super().event(event)
        zooms = Qt.NativeGestureType.ZoomNativeGesture
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == zooms and self.frame is not None:
            self._zoom(1.0 + event.value(), event.position())
            return True
        return super().event(event)

    # Keys and focus

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """The tool's keys first, then arrows and page keys for slices."""
        step = _SLICE_KEYS.get(event.key())
        if self._tool.wants(event.key()):
            self._tool.key(event.key())
        elif step is not None and self.frame is not None and self.frame.slices > 1:
            self._scroll(step)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """The keyboard came here, so the tools belong here."""
        super().focusInEvent(event)
        self.activated.emit()

    # What the tools ask for

    @property
    def whole_numbers(self) -> bool:
        """Whether the image holds integers."""
        return self._volume is not None and np.issubdtype(self._volume.array.dtype, np.integer)

    @property
    def slice_place(self) -> tuple[int, int]:
        """Axis and index of the slice."""
        return self.axis, self.slice_index

    def pan(self, offset: QPointF) -> None:
        """Move the picture by viewport points."""
        self._camera.pan(offset)
        self._repaint()

    def refresh(self) -> None:
        """Paint the tool's marks again, which every tool asks for when it begins or ends."""
        self.update()
        if self._drawing != self.drawing:
            self._drawing = self.drawing
            self.gesture_changed.emit()

    def ask_window(self, window: Window) -> None:
        """Emit :attr:`window_requested`."""
        self.window_requested.emit(window)

    def ask_crosshair(self, voxel: tuple[int, int, int]) -> None:
        """Emit :attr:`crosshair_requested`."""
        self.crosshair_requested.emit(voxel)

    def ask_brush_radius(self, radius: float) -> None:
        """Emit :attr:`brush_radius_requested`."""
        self.brush_radius_requested.emit(radius)

    def finish_stroke(self, stroke: Stroke) -> None:
        """Emit :attr:`stroke_finished`."""
        self.stroke_finished.emit(stroke)

    def paint_marks(self, painter: QPainter) -> None:
        """What the tool draws."""
        self._tool.paint(painter)

    # Helpers

    def _drop_gesture(self) -> None:
        for tool in (self._tool, *self._fixed.values()):
            tool.cancel()
        self._held = None

    def _scroll(self, steps: int) -> None:
        if self.frame is None or self._tool.busy:
            return  # an outline in progress belongs to its slice
        wanted = min(max(self.slice_index + steps, 0), self.frame.slices - 1)
        if wanted != self.slice_index:
            self.slice_requested.emit(self.axis, wanted)

    def _zoom(self, factor: float, anchor: QPointF) -> None:
        self._camera.zoom_at(factor, anchor)
        self._repaint()

    def _probe(self) -> None:
        voxel = self.voxel(self._mouse) if self._mouse is not None else None
        if voxel != self._probed:
            self._probed = voxel
            self.probed.emit(voxel)
