"""The card of the package that a training makes: preprocessing chosen by the kind of images, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saliency_viewer.domain import (
    ExplainSpec,
    InputSpec,
    ModelCard,
    OutputSpec,
    TrainingData,
    TrainingSettings,
    Volume,
)
from saliency_viewer.domain.model_card import Colour
from saliency_viewer.training.datasets.labels import denies
from saliency_viewer.training.networks import TrainableNetwork

# Means over the three channels of what ImageNet's networks were trained with: grey images have three equal channels,
# of which one need be kept then.
_MEAN, _DEVIATION = 0.449, 0.226
_AIR, _BONE = -1000.0, 1000.0  # HU; what is denser is bone or metal
_PERCENTILES = (0.5, 99.5)  # burned-in marks and dead pixels lie outside
_WEIGHTS = "weights.safetensors"
_NAMED = 3  # classes that a name lists


def training_card(
    network: TrainableNetwork, data: TrainingData, settings: TrainingSettings, samples: Sequence[Volume]
) -> ModelCard:
    """The card, but for the threshold. ``samples`` are some of the training images, by which preprocessing is chosen.

    The second of two classes is the target where the first is its absence; else maps are for what is predicted.
    """
    finding = data.classes[1] if len(data.classes) == 2 and denies(data.classes[0]) else None
    modality = data.modality or tuple(sorted({volume.modality for volume in samples} - {"", "OT"}))
    body_part = data.body_part or tuple(sorted({volume.body_part for volume in samples} - {""}))
    return ModelCard(
        name=f"{network.label} for {_listed((finding,) if finding else data.classes)}",
        version="1.0",
        architecture=network.architecture,
        weights=_WEIGHTS,
        arguments=network.arguments_for(len(data.classes), bool(settings.pretrained)),
        output=OutputSpec(data.classes, "softmax"),
        input=_input(network, settings.size, samples),
        explain=ExplainSpec(network.layer, finding),
        modality=modality,
        body_part=body_part,
    )


def _listed(classes: Sequence[str]) -> str:
    if len(classes) > _NAMED:
        return f"{len(classes)} classes"
    return " or ".join(f"class {name}" if name.isdecimal() else name for name in classes)


def _input(network: TrainableNetwork, size: int, samples: Sequence[Volume]) -> InputSpec:
    steps = _intensity(samples)
    pad = 0.0
    if network.channels == 3:
        steps = (*steps, {"step": "normalize", "mean": [_MEAN], "std": [_DEVIATION]})
        pad = round(-_MEAN / _DEVIATION, 6)  # black, like the borders of the images themselves
    volumetric = network.dimensions == 3
    return InputSpec(
        layout="3d" if volumetric else "2d",
        channels=network.channels,
        size=network.shape(size),
        fit="letterbox",
        pad_value=pad,
        spacing=_spacing(network.shape(size), samples) if volumetric else (),
        orientation="LPS" if volumetric else "",
        colour=_colour(network, samples),
        intensity=steps,
    )


def _colour(network: TrainableNetwork, samples: Sequence[Volume]) -> Colour:
    if network.channels == 1 or not samples:
        return ""
    return "colour" if any(volume.colour is not None for volume in samples) else "grey"


def _intensity(samples: Sequence[Volume]) -> tuple[dict[str, Any], ...]:
    """To 0..1. Hounsfield units mean the same in every image; other values only beside those of their own image."""
    if samples and all(volume.modality == "CT" for volume in samples):
        limits = [_AIR, _BONE]
        return {"step": "clip", "low": _AIR, "high": _BONE}, {"step": "scale", "from": limits, "to": [0, 1]}
    low, high = _PERCENTILES
    return {"step": "percentile", "low": low, "high": high}, {"step": "minmax", "to": [0, 1]}


def _spacing(shape: tuple[int, ...], samples: Sequence[Volume]) -> tuple[float, ...]:
    """The same millimetres along all axes, so that flat voxels do not deform anatomy; near what fills ``shape``."""
    grids = [volume.geometry for volume in samples]
    if not grids or any(grid.calibration == "none" or not grid.through_space for grid in grids):
        return ()
    wide = [max(n * mm / cells for n, mm, cells in zip(grid.shape, grid.spacing, shape, strict=True)) for grid in grids]
    return (float(f"{np.median(wide):.3g}"),) * 3
