"""Brightness and contrast by dragging."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QPointF, Qt

from saliency_viewer.domain import Window
from saliency_viewer.gui.viewer.tools.base import MouseTool
from saliency_viewer.gui.viewer.tools.host import ToolHost

_POINTS_PER_E_FOLD = 256.0
_NARROWEST_WHOLE = 1.0
_NARROWEST = 1e-9


class WindowTool(MouseTool):
    """Right is wider (less contrast), down is a higher centre (darker), in steps relative to the width."""

    name = "window"
    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._start: tuple[QPointF, Window] | None = None

    def press(self, position: QPointF) -> None:
        """Remember the window that the drag starts from."""
        if self.host.window_shown is not None:
            self._start = position, self.host.window_shown

    def drag(self, position: QPointF) -> None:
        """Ask for the window of the whole drag so far, so that going back undoes it."""
        if self._start is None:
            return
        origin, window = self._start
        offset = position - origin
        # Exponential: relative to the width at every point, and it never becomes zero.
        narrowest = _NARROWEST_WHOLE if self.host.whole_numbers else _NARROWEST
        width = max(window.width * math.exp(offset.x() / _POINTS_PER_E_FOLD), narrowest)
        centre = window.centre + window.width * offset.y() / _POINTS_PER_E_FOLD
        # The curve or table stays and is stretched; the file's name for the window is no longer true.
        moved = replace(window, centre=centre, width=width, name="")
        self.host.ask_window(window if moved == window else moved)

    def release(self, _position: QPointF) -> None:
        """The drag is over."""
        self._start = None

    def cancel(self) -> None:
        """Keep the window where it is."""
        self._start = None
