"""What a model package says about itself: the parsed ``model.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Activation = Literal["softmax", "sigmoid", "none"]
Layout = Literal["2d", "2.5d", "3d"]
Fit = Literal["letterbox", "crop", "stretch", "none"]


@dataclass(frozen=True)
class OutputSpec:
    """``[output]``: classes and how raw outputs become probabilities.

    One output with two classes speaks for the second class.
    """

    classes: tuple[str, ...]
    activation: Activation = "softmax"
    threshold: float | None = None
    aggregate: str = "max"  # of a slice-wise network on a volume: "max", "mean" or "slice N"


@dataclass(frozen=True)
class InputSpec:
    """``[input]``: the preprocessing chain from modality values on the image grid to the network's input."""

    layout: Layout = "2d"
    channels: int = 1
    size: tuple[int, ...] = ()  # (row, column) or (slice, row, column)
    fit: Fit = "letterbox"
    resize: int | None = None  # shorter side before a centre crop
    interpolation: Literal["linear", "nearest", "cubic"] = "linear"
    antialias: bool = True
    pad_value: float = 0.0  # after the intensity steps
    order: Literal["channels_first", "channels_last"] = "channels_first"
    spacing: tuple[float, ...] = ()  # mm, same axes as size
    orientation: str = ""  # e.g. "RAS": what index axes grow towards, in NIfTI's order (column, row, slice)
    intensity: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ExplainSpec:
    """``[explain]``: wishes of the model's author; None means the program finds or chooses."""

    layer: str | None = None
    target: str | None = None
    baseline: str = "minimum"


@dataclass(frozen=True)
class ModelCard:
    """A parsed and checked ``model.toml``."""

    name: str
    version: str
    architecture: str
    weights: str
    output: OutputSpec
    input: InputSpec
    explain: ExplainSpec = field(default_factory=ExplainSpec)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    intended_use: str = "research"
    task: Literal["classification", "segmentation"] = "classification"
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    view: tuple[str, ...] = ()

    def mismatch(self, modality: str, body_part: str = "", view: str = "") -> str:
        """A warning when a study is not of the kind the model was made for, else an empty string.

        Modality OT ("other") is what files are given that do not say theirs, so it contradicts nothing.
        """
        modality = "" if modality.upper() == "OT" else modality
        for label, wanted, found in (
            ("modality", self.modality, modality),
            ("body part", self.body_part, body_part),
            ("view", self.view, view),
        ):
            if wanted and found and found.upper() not in {w.upper() for w in wanted}:
                return (
                    f"This model was made for {label} {' or '.join(wanted)}, but the image is {found}: "
                    "its answer may mean nothing."
                )
        return ""
