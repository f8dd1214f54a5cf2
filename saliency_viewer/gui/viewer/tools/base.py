"""A way to use the mouse in a viewport."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter

from saliency_viewer.gui.viewer.tools.host import ToolHost


class MouseTool:
    """Reacts to one mouse button and draws its marks; this one does nothing.

    A tool keeps nothing beyond the gesture in progress; what it wants it asks of its host.
    """

    name = "none"  # as the toolbar calls it
    cursor = Qt.CursorShape.ArrowCursor
    held_cursor: Qt.CursorShape | None = None  # while the button is down, where it differs
    draws = False  # whether a second press is part of drawing, so that a double click must not fit the picture

    def __init__(self, host: ToolHost) -> None:
        self.host = host

    @property
    def busy(self) -> bool:
        """Whether a gesture is unfinished, so that the slice must stay."""
        return False

    def press(self, position: QPointF) -> None:
        """The button went down."""

    def drag(self, position: QPointF) -> None:
        """The mouse moved with the button down."""

    def release(self, position: QPointF) -> None:
        """The button went up."""

    def double_click(self, position: QPointF) -> None:
        """The button went down a second time."""

    def hover(self, position: QPointF | None) -> None:
        """The mouse moved without a button; None when it left."""

    def wants(self, _key: int) -> bool:
        """Whether a key now means something to the tool, so that no shortcut may take it."""
        return False

    def key(self, key: int) -> None:
        """A wanted key was pressed."""

    def cancel(self) -> None:
        """Drop the gesture in progress."""

    def paint(self, painter: QPainter) -> None:
        """Draw the gesture in progress over the picture, in viewport points."""
