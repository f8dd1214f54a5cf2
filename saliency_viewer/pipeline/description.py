"""What a window wants to know of a model before it asks it anything."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.domain import AnalysisPlan
from saliency_viewer.models.layers import LayerNode
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext


@dataclass(frozen=True)
class ModelDescription:
    """A loaded model's hash and its modules."""

    model_hash: str
    layers: LayerNode


def describe_model(plan: AnalysisPlan, services: Services, context: RunContext) -> ModelDescription:
    """Load the plan's model, which is kept for the analyses to come, and look at its layers.

    Raises :class:`UserError` when the package cannot be used.
    """
    from saliency_viewer.models import layer_tree
    from saliency_viewer.runtime.devices import choose_device

    context.report(0.0, "Loading the model")
    classifier = services.classifier(plan.model, choose_device(plan.device))
    return ModelDescription(classifier.model_hash, layer_tree(classifier))
