"""What the left mouse button does in a viewport, one file for each tool."""

from saliency_viewer.gui.viewer.tools.base import MouseTool
from saliency_viewer.gui.viewer.tools.brush import BrushTool, EraseTool
from saliency_viewer.gui.viewer.tools.host import ToolHost
from saliency_viewer.gui.viewer.tools.pan import PanTool
from saliency_viewer.gui.viewer.tools.polygon import PolygonTool
from saliency_viewer.gui.viewer.tools.probe import ProbeTool
from saliency_viewer.gui.viewer.tools.window import WindowTool

TOOLS: tuple[type[MouseTool], ...] = (PanTool, WindowTool, ProbeTool, PolygonTool, BrushTool, EraseTool)

__all__ = [
    "TOOLS",
    "BrushTool",
    "EraseTool",
    "MouseTool",
    "PanTool",
    "PolygonTool",
    "ProbeTool",
    "ToolHost",
    "WindowTool",
]
