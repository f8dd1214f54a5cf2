"""What a model package says about itself: the parsed ``model.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from saliency_viewer.domain.kinds import same_body_part, same_view

Activation = Literal["softmax", "sigmoid", "none"]
Layout = Literal["2d", "2.5d", "3d"]
Fit = Literal["letterbox", "crop", "pad", "stretch", "none"]
Interpolation = Literal["linear", "nearest", "cubic", "area"]
Colour = Literal["", "grey", "colour"]


@dataclass(frozen=True)
class OutputSpec:
    """``[output]``: classes and how raw outputs become probabilities.

    One output with two classes speaks for the second class. No classes: they are named by number once the network's
    outputs have been counted.
    """

    classes: tuple[str, ...] = ()
    activation: Activation = "softmax"
    threshold: float | None = None
    aggregate: str = "max"  # of a slice-wise network on a volume: "max", "mean" or "slice N"


@dataclass(frozen=True)
class InputSpec:
    """``[input]``: the preprocessing chain from modality values on the image grid to the network's input.

    Its order: ``intensity``, ``orientation``, ``spacing``, ``fit`` (or the list ``spatial`` instead of these two),
    ``intensity_after``.
    """

    layout: Layout = "2d"
    channels: int = 1
    size: tuple[int, ...] = ()  # (row, column) or (slice, row, column)
    fit: Fit = "letterbox"
    resize: int | tuple[int, ...] | None = None  # shorter side, or all sides, before a centre crop
    interpolation: Interpolation = "linear"
    antialias: bool = True
    pad_value: float = 0.0  # after the intensity steps
    order: Literal["channels_first", "channels_last"] = "channels_first"
    spacing: tuple[float, ...] = ()  # mm, same axes as size
    orientation: str = ""  # e.g. "RAS": what index axes grow towards, in NIfTI's order (column, row, slice)
    intensity: tuple[Mapping[str, Any], ...] = ()
    spatial: tuple[Mapping[str, Any], ...] = ()  # steps instead of spacing and fit
    intensity_after: tuple[Mapping[str, Any], ...] = ()  # on the network's grid, padding included
    axes: Literal["zyx", "xyz"] = "zyx"  # "xyz": the network takes (column, row, slice), as MONAI reads images
    colour: Colour = ""  # what it was trained with; "grey": a colour image gives its luminance in every channel


@dataclass(frozen=True)
class ExplainSpec:
    """``[explain]``: wishes of the model's author; None means the program finds or chooses."""

    layer: str | None = None
    target: str | None = None
    baseline: str = "minimum"


@dataclass(frozen=True)
class Fold:
    """One network of an ensemble: its name and its weights file."""

    name: str
    weights: str


@dataclass(frozen=True)
class ModelCard:
    """A parsed and checked ``model.toml``.

    ``weights`` of an ensemble is the first fold's. ``modality`` to ``slices`` say what the model was made for, empty
    for anything; ranges are (least, most). ``held_out`` and ``training_cases`` name files of the package.
    """

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
    pixel_spacing: tuple[float, ...] = ()  # mm, within a slice
    slice_spacing: tuple[float, ...] = ()  # mm, from slice to slice
    slices: tuple[float, ...] = ()  # how many
    folds: tuple[Fold, ...] = ()
    held_out: str = ""  # which case was held out by which fold
    training_cases: str = ""  # what the network, or every fold of the ensemble, was trained on

    def mismatch(self, modality: str, body_part: str = "", view: str = "") -> str:
        """A warning when a study is not of the kind the model was made for, else an empty string.

        Modality OT ("other") is what files are given that do not say theirs, so it contradicts nothing.
        """
        modality = "" if modality.upper() == "OT" else modality
        for label, wanted, found, same in (
            ("modality", self.modality, modality, _same_modality),
            ("body part", self.body_part, body_part, same_body_part),
            ("view", self.view, view, same_view),
        ):
            if wanted and found and not any(same(found, word) for word in wanted):
                return (
                    f"This model was made for {label} {' or '.join(wanted)}, but the image is {found}: "
                    "its answer may mean nothing."
                )
        return ""


def _same_modality(one: str, other: str) -> bool:
    return one.upper() == other.upper()
