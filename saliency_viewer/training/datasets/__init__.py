"""Data sets to train on: published layouts and tables of one's own, checked before hours are spent.

``load_data`` reads one, ``split`` and ``folds`` part it by patients, ``finding_regions`` says where a case's finding
is. DATA_SETS is the ordered list of layouts; ``docs/training-data.md`` describes them.
"""

from saliency_viewer.training.datasets.counting import class_weights, label_counts, summary
from saliency_viewer.training.datasets.findings import box_mask, finding_regions
from saliency_viewer.training.datasets.listing import DataSet
from saliency_viewer.training.datasets.loading import DATA_SETS, load_data
from saliency_viewer.training.datasets.splits import Split, folds, split

__all__ = [
    "DATA_SETS",
    "DataSet",
    "Split",
    "box_mask",
    "class_weights",
    "finding_regions",
    "folds",
    "label_counts",
    "load_data",
    "split",
    "summary",
]
