"""Maps to colours to overlay pixels, contours and figures: the same on screen and in files."""

from saliency_viewer.render.colours import COLOUR_MAPS, ONE_SIDED, RANKS, TWO_SIDED, colour_table
from saliency_viewer.render.comparison_figure import (
    RANGE_STYLE,
    comparison_figure,
    contour_polygons,
)
from saliency_viewer.render.outlines import outlines
from saliency_viewer.render.overlay import map_colours, map_levels, overlay, overlay_rgba
from saliency_viewer.render.pair_figure import pair_figure
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.pixels import grey_slice, slice_pixels
from saliency_viewer.render.presets import file_presets, usual_presets, window_name
from saliency_viewer.render.scales import Scale, shared_styles
from saliency_viewer.render.slice_figure import slice_figure
from saliency_viewer.render.statistics_figure import statistics_figure
from saliency_viewer.render.style import MapStyle, style_for
from saliency_viewer.render.summary_figure import summary_figure
from saliency_viewer.render.window import to_grey

__all__ = [
    "COLOUR_MAPS",
    "ONE_SIDED",
    "RANGE_STYLE",
    "RANKS",
    "TWO_SIDED",
    "MapStyle",
    "Scale",
    "SlicePicture",
    "colour_table",
    "comparison_figure",
    "contour_polygons",
    "file_presets",
    "grey_slice",
    "map_colours",
    "map_levels",
    "outlines",
    "overlay",
    "overlay_rgba",
    "pair_figure",
    "shared_styles",
    "slice_figure",
    "slice_pixels",
    "statistics_figure",
    "style_for",
    "summary_figure",
    "to_grey",
    "usual_presets",
    "window_name",
]
