"""Pointing at a voxel."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt

from saliency_viewer.gui.viewer.tools.base import MouseTool


class ProbeTool(MouseTool):
    """A click or drag asks for the crosshair there, which links the planes."""

    name = "probe"
    cursor = Qt.CursorShape.CrossCursor

    def press(self, position: QPointF) -> None:
        """Point here."""
        voxel = self.host.voxel(position)
        if voxel is not None:
            self.host.ask_crosshair(voxel)

    def drag(self, position: QPointF) -> None:
        """Follow the mouse."""
        self.press(position)
