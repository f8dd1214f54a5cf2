"""What one analysis gave."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.domain.maps import AttributionMap
from saliency_viewer.domain.model_card import ModelCard
from saliency_viewer.domain.prediction import Prediction
from saliency_viewer.domain.volume import Volume


@dataclass(frozen=True)
class MethodFailure:
    """A requested method that gave no map, and why ("not defined for this network")."""

    method: str
    message: str
    hint: str = ""


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """Prediction and maps of one plan. ``image_hash`` and ``model_hash`` are sha256 hex digests.

    ``fold`` says which network of an ensemble answered ("mean": all of them); ``is_training_case`` that the model was
    trained on this very case.
    """

    volume: Volume
    prediction: Prediction
    maps: tuple[AttributionMap, ...]
    card: ModelCard
    model_hash: str
    image_hash: str
    slices: tuple[int, ...] = ()  # key slices to show
    failures: tuple[MethodFailure, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    fold: str = ""
    is_training_case: bool = False
