"""A model package as a Python object: predict and explain a volume in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliency_viewer.domain import (
    AnalysisPlan,
    AttributionMap,
    ImageReference,
    MethodRequest,
    ModelCard,
    Prediction,
    Volume,
)
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.analysis import check_plan, explain_volume, explained_slices
from saliency_viewer.pipeline.threads import compute_threads
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from torch import nn

    from saliency_viewer.models import Classifier


class Model:
    """A loaded model package. ``network`` is the torch module, in evaluation mode, float32."""

    def __init__(self, classifier: Classifier, path: str = "") -> None:
        self._classifier = classifier
        self._path = path

    @property
    def card(self) -> ModelCard:
        """What the package says about itself."""
        return self._classifier.card

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._classifier.card.output.classes

    @property
    def network(self) -> nn.Module:
        """The torch module; its raw outputs are what is explained."""
        return self._classifier.network

    @property
    def model_hash(self) -> str:
        """SHA-256 over card and weights."""
        return self._classifier.model_hash

    def predict(self, volume: Volume) -> Prediction:
        """Class scores of ``volume``; has ``.classes``, ``.logits`` and ``.probabilities``."""
        return self._classifier.predict(volume)

    def explain(
        self, volume: Volume, method: str = "grad-cam", target: str | int | None = None, **options: Any
    ) -> AttributionMap:
        """The raw signed map of one method on ``volume``'s grid; ``target`` is a class or its place in ``classes``.

        ``options`` are fields of :class:`AnalysisPlan` (``layer``, ``baseline``, ``slices``, ``seed``,
        ``threads``, ``batch_size``, ``memory_budget``) and ``parameters``, a mapping for the method.
        Raises :class:`UserError` when the method is not defined for this network.
        """
        request = MethodRequest(method, dict(options.pop("parameters", {})))
        plan = AnalysisPlan(ImageReference(""), self._path, (request,), self._class(target), **options)
        check_plan(plan)
        with compute_threads(plan.threads):
            prediction = self._classifier.predict(volume, None, batch_size=plan.batch_size)
            slices = explained_slices(plan, self._classifier, volume, prediction)
            maps, failures = explain_volume(plan, self._classifier, volume, prediction, slices, RunContext())
        if failures:
            raise UserError(failures[0].message, failures[0].hint)
        return maps[0]

    def _class(self, target: str | int | None) -> str | None:
        if not isinstance(target, int):
            return target
        if not 0 <= target < len(self.classes):
            raise UserError(
                f"The model has no class number {target}.", f"Its classes are 0 to {len(self.classes) - 1}."
            )
        return self.classes[target]


def load_model(package: str | Path, trust_code: bool = False, device: str = "cpu", fold: str = "") -> Model:
    """Load a model package (folder or zip); ``trust_code`` lets it run a Python file of its own.

    ``fold`` is one network of an ensemble; empty: all of them together.
    Raises :class:`UserError` when the package cannot be used, with the reason.
    """
    from saliency_viewer.models import load_package

    return Model(load_package(Path(package), trust_code=trust_code, device=device, fold=fold), str(package))
