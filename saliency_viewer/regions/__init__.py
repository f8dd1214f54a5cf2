"""Drawing: strokes to masks, and the history that undoes edits."""

from saliency_viewer.regions.brush import brush_mask
from saliency_viewer.regions.editor import RegionEditor
from saliency_viewer.regions.edits import Edit
from saliency_viewer.regions.history import HISTORY_BYTES, History

__all__ = ["HISTORY_BYTES", "Edit", "History", "RegionEditor", "brush_mask"]
