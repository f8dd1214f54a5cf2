"""The slice viewport: an image, its map and its regions under the mouse."""

from saliency_viewer.gui.viewer.colour_bar import ColourBar
from saliency_viewer.gui.viewer.slice_view import SliceView
from saliency_viewer.gui.viewer.stroke import Stroke

__all__ = ["ColourBar", "SliceView", "Stroke"]
