"""What a region contributes, and how far maps agree: each number with what it is to be held against."""

from saliency_viewer.measure.agreement import Agreement, agreement
from saliency_viewer.measure.ranks import Memory, rank_range
from saliency_viewer.measure.table import region_statistics

__all__ = ["Agreement", "Memory", "agreement", "rank_range", "region_statistics"]
