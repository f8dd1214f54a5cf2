"""Moving the picture."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt

from saliency_viewer.gui.viewer.tools.base import MouseTool
from saliency_viewer.gui.viewer.tools.host import ToolHost


class PanTool(MouseTool):
    """The picture follows the mouse."""

    name = "pan"
    cursor = Qt.CursorShape.OpenHandCursor
    held_cursor = Qt.CursorShape.ClosedHandCursor

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._last: QPointF | None = None

    def press(self, position: QPointF) -> None:
        """Take hold."""
        self._last = position

    def drag(self, position: QPointF) -> None:
        """Move by what the mouse moved."""
        if self._last is not None:
            self.host.pan(position - self._last)
            self._last = position

    def release(self, _position: QPointF) -> None:
        """Let go."""
        self._last = None

    def cancel(self) -> None:
        """Let go where it is."""
        self._last = None
