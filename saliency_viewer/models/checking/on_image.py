"""What a network is given of an image: whether the card's steps make something of it that networks are trained with."""

from __future__ import annotations

import numpy as np

from saliency_viewer.domain import ModelCard, Volume, study_warnings
from saliency_viewer.errors import UserError
from saliency_viewer.models.checking.findings import Findings
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.prepared import Prepared

_FAR = 20.0  # trained networks are given values around zero, seldom beyond ten
_FLAT = 0.02  # standard deviation
_NORMALISED = ("torchvision", "timm")
_UNUSUAL_STEPS = ("normalize", "zscore")


def prepared_image(classifier: Classifier, volume: Volume, findings: Findings) -> Prepared | None:
    """The middle slice, or the whole volume, as the network gets it; None, and a fault, when it suits the card not."""
    card = classifier.card
    slices = None if card.input.layout == "3d" else (volume.geometry.shape[0] // 2,)
    try:
        prepared = classifier.prepare(volume, slices)
    except UserError as error:
        findings.fault(error)
        return None
    for unlike in study_warnings(card, volume):
        findings.add("warning", unlike, "Check it on an image of the kind that it was trained with.")
    _check_values(prepared, card, findings)
    return prepared


def _check_values(prepared: Prepared, card: ModelCard, findings: Findings) -> None:
    values = prepared.inputs.cpu().numpy()
    low, high, spread = float(values.min()), float(values.max()), float(values.std(dtype=np.float64))
    reach = f"values from {low:.3g} to {high:.3g} (standard deviation {spread:.2g})"
    if low == high:
        findings.add(
            "fault",
            f"After the intensity steps every value of the image is {low:.3g}: the network is shown nothing.",
            "Check the window, and the interval of scale or clip, against the image's own values.",
        )
    elif max(abs(low), abs(high)) > _FAR:
        steps = (
            "its intensity steps leave"
            if card.input.intensity or card.input.intensity_after
            else "it has no intensity steps, which leaves"
        )
        findings.add(
            "warning",
            f"The network is given {reach}: {steps} them far from what networks are trained with.",
            "Write the steps of the training's own preprocessing into input.intensity, for instance scale to [0, 1] "
            "and normalize.",
        )
    elif spread < _FLAT:
        findings.add(
            "warning",
            f"The network is given {reach}, which is nearly one grey.",
            "Check the window, and the interval of scale or clip, against the image's own values.",
        )
    else:
        findings.add("note", f"The network is given {reach}.")
        _check_normalised(card, findings)


def _check_normalised(card: ModelCard, findings: Findings) -> None:
    library = card.architecture.partition(":")[0]
    steps = {step.get("step") for step in (*card.input.intensity, *card.input.intensity_after)}
    if library in _NORMALISED and card.input.channels == 3 and not steps & set(_UNUSUAL_STEPS):
        findings.add(
            "note",
            "There is no step normalize: training that began with ImageNet weights mostly had one.",
            'If so, add { step = "normalize", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }.',
        )
