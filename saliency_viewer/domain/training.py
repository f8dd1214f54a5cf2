"""What to train, on what, and how it went: shared by the data sets, the loop, the command line and the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from saliency_viewer.domain.parameters import parameter
from saliency_viewer.domain.plan import DEFAULT_THREADS, ImageReference

DatasetName = Literal["rsna", "siim", "csv"]
DATASETS: tuple[DatasetName, ...] = ("rsna", "siim", "csv")


Side = Literal["", "training", "validation", "test"]


@dataclass(frozen=True)
class Box:
    """A box on an image, in pixels from the *outer edge* of its first row and column; fractions are allowed.

    Row 0 and height 1 is the first row of pixels, whole; its pixel centres lie at 0.5.
    """

    row: float
    column: float
    height: float
    width: float


@dataclass(frozen=True)
class TrainingCase:
    """One image with its class, and where its finding is if that is known.

    ``patient`` keeps all images of one person on one side of every split; ``label`` is an index into the data
    set's classes. ``boxes``, ``runs`` (run-length encoded masks as the data set writes them) and ``mask`` (a file)
    say where the finding is. ``runs_shape`` are the rows and columns that the runs were counted on, None for the
    image's own. ``side`` is where the data set itself puts the case, empty where splits are drawn.
    """

    name: str
    image: ImageReference
    patient: str = field(repr=False)
    label: int
    boxes: tuple[Box, ...] = ()
    runs: tuple[str, ...] = ()
    mask: str = field(default="", repr=False)
    runs_shape: tuple[int, int] | None = None
    side: Side = ""


@dataclass(frozen=True)
class TrainingData:
    """The cases of a data set. ``finding`` names the region that boxes and masks show; warnings name no patient."""

    classes: tuple[str, ...]
    cases: tuple[TrainingCase, ...]
    finding: str = "finding"
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. The field metadata makes the options of ``train`` and the fields of the training page."""

    epochs: int = parameter(20, label="Epochs", help="Passes over the training cases at most", minimum=1, maximum=10000)
    batch_size: int = parameter(16, label="Batch", help="Images at a time", minimum=1, maximum=4096)
    size: int = parameter(
        0,
        label="Size",
        help="Side of the network's input; 0: what the architecture is used with",
        unit="px",
        minimum=0,
        maximum=4096,
    )
    learning_rate: float = parameter(
        3e-4, label="Learning rate", help="Highest rate of the one-cycle schedule", minimum=1e-8, maximum=10.0
    )
    weight_decay: float = parameter(
        1e-2, label="Weight decay", help="Of AdamW", minimum=0.0, maximum=10.0, advanced=True
    )
    patience: int = parameter(
        5, label="Patience", help="Epochs without a better AUC after which to stop; 0: never", minimum=0, maximum=10000
    )
    validation: float = parameter(
        0.15,
        label="Validation",
        help="Share of patients that choose the best epoch and the threshold",
        minimum=0.01,
        maximum=0.8,
    )
    test: float = parameter(
        0.15, label="Test", help="Share of patients that nothing but the report sees", minimum=0.0, maximum=0.8
    )
    class_weights: str = parameter(
        "balanced", label="Class weights", help="Weigh rare classes more, or all alike", choices=("balanced", "none")
    )
    augment: str = parameter(
        "standard",
        label="Augmentation",
        help="Small turns, shifts, zooms, contrast; 'mirror' adds left-right",
        choices=("standard", "mirror", "none"),
    )
    calibrate: bool = parameter(
        False,
        label="Calibrate",
        help="Divide the logits by one number, found on the validation cases, so that probabilities mean what they say",
        advanced=True,
    )
    mixed_precision: bool = parameter(
        True, label="Mixed precision", help="Half precision where it is safe, on a GPU only", advanced=True
    )
    pretrained: str = parameter(
        "", label="Start from", help="Weights file, or 'imagenet' for torchvision's from its cache; empty: random"
    )
    seed: int = parameter(0, label="Seed", help="Of splits, weights and order", minimum=0)


@dataclass(frozen=True)
class TrainingPlan:
    """One training. ``root`` is the data set's folder, or the table of a CSV set; ``out`` the new package's folder."""

    dataset: DatasetName
    root: str = field(repr=False)
    architecture: str
    out: str = field(repr=False)
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    columns: Mapping[str, str] = field(
        default_factory=dict
    )  # of a CSV set: image, label, patient, mask, series, split -> its name
    device: str = "auto"
    threads: int = DEFAULT_THREADS
    limit: int = 0  # cases at most, 0: all; the patients are drawn by the seed


@dataclass(frozen=True)
class EpochFigures:
    """One epoch: mean losses, area under the ROC curve (macro average over classes) on the validation cases."""

    epoch: int  # from 1
    epochs: int
    training_loss: float
    validation_loss: float
    validation_auc: float
    learning_rate: float
    seconds: float
    best: bool  # the best AUC so far

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; ``EpochFigures(**data)`` is the inverse."""
        return dict(self.__dict__)
