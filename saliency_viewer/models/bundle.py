"""A MONAI bundle, opened as it is: its description becomes a card.

Source: the MONAI Bundle Specification (docs.monai.io, ``mb_specification``). Nothing in a bundle is run: of its Python
expressions only plain values and references are read, and of its own code nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saliency_viewer.domain import InputSpec, ModelCard, OutputSpec
from saliency_viewer.domain.model_card import Activation
from saliency_viewer.errors import UserError
from saliency_viewer.models.bundle_config import BundleConfig, read_config
from saliency_viewer.models.files import BUNDLE_NAME, PackageFiles
from saliency_viewer.models.monai_transforms import read_transforms, settled_size, transform_name

_INFERENCE = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_WEIGHTS, _PROGRAM = "models/model.pt", "models/model.ts"
_NETWORK = re.compile(r"(?:monai\.networks\.nets\.(?:\w+\.)?)?([A-Za-z]\w*)")
_FETCHING = ("pretrained", "progress")
_MODALITIES = {
    "ct": ("CT",),
    "mr": ("MR",),
    "mri": ("MR",),
    "pet": ("PT",),
    "pt": ("PT",),
    "us": ("US",),
    "ultrasound": ("US",),
    "mg": ("MG",),
    "mammogram": ("MG",),
    "mammography": ("MG",),
    "dx": ("DX", "CR"),
    "cr": ("DX", "CR"),
    "xray": ("DX", "CR"),
    "x-ray": ("DX", "CR"),
    "xr": ("DX", "CR"),
}


@dataclass(frozen=True)
class BundleCard:
    """The card, and sentences about what of the bundle could not be read or is not followed."""

    card: ModelCard
    doubts: tuple[str, ...]


def read_bundle(files: PackageFiles) -> BundleCard:
    """The card of the bundle in ``files``.

    Raises
    ------
    UserError
        When there is no network of MONAI's own in it, no weights, or no input that this program can make.
    """
    meta = read_config(files, (BUNDLE_NAME,))
    config = read_config(files, _INFERENCE)
    doubts: list[str] = []
    architecture, arguments, weights = _network(config, files, doubts)
    inputs = _input(config, meta, arguments, doubts)
    card = ModelCard(
        name=str(meta.get("name") or meta.get("task") or "MONAI bundle"),
        version=str(meta.get("version") or "1.0"),
        architecture=architecture,
        weights=weights,
        output=_output(config, meta, doubts),
        input=inputs,
        arguments=arguments,
        intended_use=str(meta.get("intended_use") or "research"),
        task="segmentation" if _segments(meta) else "classification",
        modality=_MODALITIES.get(str(_image(meta).get("modality", "")).lower().strip(), ()),
    )
    return BundleCard(card, tuple(dict.fromkeys(doubts)))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _image(meta: BundleConfig) -> Mapping[str, Any]:
    """The description of the one input image."""
    inputs = _table(_table(meta.get("network_data_format")).get("inputs"))
    if len(inputs) > 1:
        raise UserError(
            f"The bundle's network has {len(inputs)} inputs; only networks with one can be explained.",
            "Choose another bundle.",
        )
    return _table(next(iter(inputs.values()), None))


def _image_key(meta: BundleConfig) -> str:
    return str(next(iter(_table(_table(meta.get("network_data_format")).get("inputs"))), "image"))


def _prediction(meta: BundleConfig) -> Mapping[str, Any]:
    outputs = _table(_table(meta.get("network_data_format")).get("outputs"))
    return _table(outputs.get("pred") or next(iter(outputs.values()), None))


def _segments(meta: BundleConfig) -> bool:
    said = f"{_prediction(meta).get('format', '')} {_prediction(meta).get('type', '')} {meta.get('task') or ''}"
    return "segment" in said.lower()


def _network(config: BundleConfig, files: PackageFiles, doubts: list[str]) -> tuple[str, dict[str, Any], str]:
    """(architecture, arguments, weights file)."""
    described = _table(config.get("network_def") or config.get("network"))
    named = _NETWORK.fullmatch(str(described.get("_target_", "")))
    arguments = {key: value for key, value in described.items() if not key.startswith("_") and value is not None}
    for key in _FETCHING:
        arguments.pop(key, None)
    foreign = [key for key, value in arguments.items() if not _is_plain(value)]
    if named is not None and not foreign and files.has(_WEIGHTS):
        return f"monai:{named[1]}", arguments, _WEIGHTS
    if files.has(_PROGRAM):
        doubts.append("The bundle's network is taken from its TorchScript program.")
        return "torchscript", {}, _PROGRAM
    if named is None or foreign:
        what = f"its argument '{foreign[0]}' is a piece of Python" if foreign else "it is not one of MONAI's own"
        raise UserError(
            f"The bundle's network cannot be built without running code: {what}.",
            "Build it in a file of your own and open that as a python: package, which asks for your consent.",
        )
    raise UserError(f"The bundle has no {_WEIGHTS}.", "Download the bundle with its weights.")


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" not in value and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return not (isinstance(value, str) and value.startswith(("$", "@", "%")))


def _input(config: BundleConfig, meta: BundleConfig, arguments: Mapping[str, Any], doubts: list[str]) -> InputSpec:
    image = _image(meta)
    shape = image.get("spatial_shape")
    axes = arguments.get("spatial_dims") or (len(shape) if isinstance(shape, list) else 0)
    channels = image.get("num_channels") or arguments.get("in_channels") or 1
    if axes not in (2, 3):
        raise UserError(
            "The bundle does not say whether its network takes images or volumes.",
            "Write spatial_shape into its configs/metadata.json.",
        )
    if channels not in (1, 3):
        raise UserError(
            f"The bundle's network takes {channels} channels; this program makes 1 (grey) or 3 (colour).",
            "Choose another bundle, or write a model.toml for a network with layout 2.5d.",
        )
    transforms = _transforms(config.get("preprocessing"))
    if not transforms:
        doubts.append("The bundle's preprocessing cannot be read; the network is given the values as they are.")
    steps = read_transforms(transforms, axes, channels, _image_key(meta))
    doubts += steps.doubts
    return InputSpec(
        layout="3d" if axes == 3 else "2d",
        channels=channels,
        size=settled_size(steps.spatial),
        fit="none",
        antialias=False,
        pad_value=steps.pad_value,
        orientation=steps.orientation,
        intensity=steps.intensity,
        spatial=steps.spatial,
        intensity_after=steps.intensity_after,
        axes="xyz",
    )


def _transforms(preprocessing: Any) -> list[Any]:
    listed = _table(preprocessing).get("transforms") if isinstance(preprocessing, Mapping) else preprocessing
    return listed if isinstance(listed, list) else []


def _output(config: BundleConfig, meta: BundleConfig, doubts: list[str]) -> OutputSpec:
    prediction = _prediction(meta)
    named = _table(prediction.get("channel_def"))
    classes = tuple(str(named[key]) for key in sorted(named, key=lambda key: (len(str(key)), str(key))))
    count = prediction.get("num_channels")
    if len(set(classes)) != len(classes) or "" in classes or (isinstance(count, int) and len(classes) != count != 1):
        doubts.append("The bundle names its classes otherwise than its outputs; they have numbers here.")
        classes = ()
    activation, threshold = _activation(config, count, doubts)
    if len(classes) == 1 and activation == "softmax":
        classes = ()
    return OutputSpec(classes, activation, threshold)


def _activation(config: BundleConfig, count: Any, doubts: list[str]) -> tuple[Activation, float | None]:
    """As the bundle's postprocessing has it."""
    found = [entry for entry in _transforms(config.get("postprocessing")) if isinstance(entry, Mapping)]
    activations = [entry for entry in found if transform_name(entry) == "Activations"]
    discrete = [entry for entry in found if transform_name(entry) == "AsDiscrete"]
    threshold = next((entry["threshold"] for entry in discrete if isinstance(entry.get("threshold"), float)), None)
    limit = threshold if threshold is not None and 0 < threshold < 1 else None
    if any(entry.get("sigmoid") for entry in activations):
        return "sigmoid", limit
    exclusive = any(entry.get("softmax") for entry in activations) or any(entry.get("argmax") for entry in discrete)
    if not exclusive and count != 1:
        doubts.append("The bundle does not say whether its classes exclude each other; here they do.")
    return ("sigmoid", limit) if count == 1 else ("softmax", None)
