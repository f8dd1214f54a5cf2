"""The card that a checkpoint suggests, with the usual value wherever the file says nothing."""

from __future__ import annotations

from saliency_viewer.domain import InputSpec, ModelCard, OutputSpec
from saliency_viewer.domain.model_card import Activation, Layout
from saliency_viewer.models.making.intensities import intensity_steps
from saliency_viewer.models.recognition import Candidate, Inspection

_COLOURS = 3


def draft_card(inspection: Inspection, candidate: Candidate) -> ModelCard:
    """A card for the checkpoint taken as ``candidate``. ``input.size`` is empty where it has to be asked for."""
    layout = _layout(candidate)
    channels = candidate.channels or (1 if layout == "3d" else _COLOURS)
    size = candidate.size if len(candidate.size) == (3 if layout == "3d" else 2) else ()
    name = candidate.architecture.partition(":")[2] or "network"  # programs have no name
    return ModelCard(
        name=f"My {name}",
        version="1.0",
        architecture=candidate.architecture,
        weights=inspection.form.file_name,
        arguments=dict(candidate.arguments),
        output=OutputSpec(class_names(inspection, candidate.outputs), _activation(candidate)),
        input=InputSpec(
            layout=layout,
            channels=channels,
            size=size,
            order="channels_last" if candidate.channels_last else "channels_first",
            intensity=intensity_steps(usual_intensity(layout, channels), channels),
        ),
    )


def class_names(inspection: Inspection, outputs: int) -> tuple[str, ...]:
    """Those saved with the weights when they fit, else numbers. One output tells two classes apart."""
    count = max(outputs, 2)
    return inspection.classes if len(inspection.classes) == count else tuple(f"class {k}" for k in range(count))


def usual_intensity(layout: str, channels: int) -> str:
    """The name of the steps that most networks of this kind were trained with."""
    if layout == "3d":
        return "minmax"
    return "imagenet" if channels == _COLOURS else "unit"


def _activation(candidate: Candidate) -> Activation:
    if candidate.activation == "sigmoid" or (candidate.outputs == 1 and not candidate.activation):
        return "sigmoid"
    return "softmax"


def _layout(candidate: Candidate) -> Layout:
    if candidate.dimensions == _COLOURS:
        return "3d"
    # Three channels can be neighbouring slices too, but are colours, or one grey three times, far more often.
    return "2.5d" if candidate.channels > _COLOURS and candidate.channels % 2 else "2d"
