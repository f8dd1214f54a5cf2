"""From a data set to a model package with its report: what `train` runs.

Importing this package does not import torch.
"""

from saliency_viewer.pipeline.training.check import check_training
from saliency_viewer.pipeline.training.place import is_finished, is_stopped
from saliency_viewer.pipeline.training.run import TrainingOutcome, run_training

__all__ = ["TrainingOutcome", "check_training", "is_finished", "is_stopped", "run_training"]
