"""What a region contributes: statistics of a map, with what each number is to be held against."""

from saliency_viewer.measure.table import region_statistics

__all__ = ["region_statistics"]
