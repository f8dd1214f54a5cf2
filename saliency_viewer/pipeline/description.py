"""What a window wants to know of a model before it asks it anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from saliency_viewer.models.layers import LayerNode
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext


@dataclass(frozen=True)
class ModelDescription:
    """A loaded model's hash and its modules."""

    model_hash: str
    layers: LayerNode


@dataclass(frozen=True)
class DescribeModel:
    """Load a model, which is kept for the analyses to come, and look at its layers."""

    model: str = field(repr=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """What must not be told of it."""
        return (self.model,)

    def run(self, services: Services, context: RunContext) -> ModelDescription:
        """Raises :class:`UserError` when the package cannot be used."""
        from saliency_viewer.models import layer_tree
        from saliency_viewer.runtime.devices import choose_device

        context.report(0.0, "Loading the model")
        classifier = services.classifier(self.model, choose_device("auto"))
        return ModelDescription(classifier.model_hash, layer_tree(classifier))
