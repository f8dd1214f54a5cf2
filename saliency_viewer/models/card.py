"""``model.toml`` to a :class:`ModelCard`."""

from __future__ import annotations

import re
import tomllib
from typing import Any, cast

from saliency_viewer.domain import ExplainSpec, InputSpec, ModelCard, OutputSpec
from saliency_viewer.domain.model_card import Activation, Fit, Layout
from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import CardError, CheckedTable, near_match
from saliency_viewer.models.intensity import parse_steps

BASELINES = ("minimum", "zero", "blur", "mean")
_TABLES = ("model", "output", "input", "explain")
_AXES = {"2d": "[row, column]", "2.5d": "[row, column]", "3d": "[slice, row, column]"}


def parse_card(text: str) -> ModelCard:
    """Parse and check ``model.toml``.

    Raises
    ------
    UserError
        For anything that is not as documented; it names the key, the wrong value and the allowed ones.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError("model.toml is not valid TOML.", f"Mend this: {error}.", type(error).__name__) from error
    for name, table in tables.items():
        if name not in _TABLES:
            raise CardError(f"model.toml: there is no table [{name}].", near_match(name, _TABLES), "", name)
        if not isinstance(table, dict):
            raise CardError(f"model.toml: [{name}] must be a table.", f"Start its lines with [{name}].", "", name)
    output = _output(CheckedTable("output", tables.get("output", {})))
    inputs = _input(CheckedTable("input", tables.get("input", {})))
    explain = _explain(CheckedTable("explain", tables.get("explain", {})), output.classes)
    return _model(CheckedTable("model", tables.get("model", {})), output, inputs, explain)


def _model(table: CheckedTable, output: OutputSpec, inputs: InputSpec, explain: ExplainSpec) -> ModelCard:
    arguments = table.take("arguments", {})
    if not isinstance(arguments, dict):
        table.refuse("arguments", "a table such as { num_classes = 2 }")
    card = ModelCard(
        name=table.text("name"),
        version=table.text("version", "1.0"),
        architecture=table.text("architecture"),
        weights=table.text("weights", "weights.safetensors"),
        output=output,
        input=inputs,
        explain=explain,
        arguments=arguments,
        intended_use=table.text("intended_use", "research"),
        task=cast(Any, table.choice("task", ("classification", "segmentation"), "classification")),
        modality=table.texts("modality", ()),
        body_part=table.texts("body_part", ()),
        view=table.texts("view", ()),
    )
    table.finish()
    return card


def _output(table: CheckedTable) -> OutputSpec:
    classes = table.texts("classes")
    if not classes or len(set(classes)) != len(classes):
        table.refuse("classes", "at least one class name, each only once")
    activation = cast(Activation, table.choice("activation", ("softmax", "sigmoid", "none"), "softmax"))
    if len(classes) == 1 and activation == "softmax":
        table.refuse("classes", 'two or more classes, or activation = "sigmoid" (a softmax over one class is always 1)')
    threshold = table.number("threshold") if table.has("threshold") else None
    if threshold is not None and not 0.0 < threshold < 1.0:
        table.refuse("threshold", "a probability between 0 and 1")
    aggregate = table.text("aggregate", "max")
    if aggregate not in ("max", "mean") and not re.fullmatch(r"slice \d+", aggregate):
        table.refuse("aggregate", 'one of: "max", "mean", "slice N" (N counted from 0)')
    table.finish()
    return OutputSpec(classes, activation, threshold, aggregate)


def _input(table: CheckedTable) -> InputSpec:
    layout = cast(Layout, table.choice("layout", ("2d", "2.5d", "3d"), "2d"))
    channels = table.whole("channels", 1, 1)
    if layout == "2.5d" and channels % 2 == 0:
        table.refuse("channels", "an odd number of neighbouring slices")
    if layout != "2.5d" and channels not in (1, 3):
        table.refuse("channels", "1 (grey) or 3 (colour, or grey three times)")
    size = _size(table, layout)
    fit = cast(Fit, table.choice("fit", ("letterbox", "crop", "stretch", "none"), "letterbox"))
    if not size and fit != "none":
        example = "[64, 64, 64]" if layout == "3d" else "[224, 224]"
        hint = f'Add a line like size = {example}, or fit = "none".'
        raise CardError("model.toml: input.size is missing.", hint, "", "input", "size")
    if table.has("resize") and fit != "crop":
        table.refuse("resize", 'it only together with fit = "crop"')
    spec = InputSpec(
        layout=layout,
        channels=channels,
        size=size,
        fit=fit,
        resize=table.whole("resize", 1, 1) if table.has("resize") else None,
        interpolation=cast(Any, table.choice("interpolation", ("linear", "nearest", "cubic"), "linear")),
        antialias=table.flag("antialias", True),
        pad_value=table.number("pad_value", 0.0),
        order=cast(Any, table.choice("order", ("channels_first", "channels_last"), "channels_first")),
        spacing=_spacing(table, layout),
        orientation=_orientation(table),
        intensity=parse_steps(table.take("intensity", []), channels),
    )
    table.take("resize")
    table.finish()
    return spec


def _size(table: CheckedTable, layout: str) -> tuple[int, ...]:
    value = table.take("size", [])
    wanted = 3 if layout == "3d" else 2
    good = isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value)
    if not good or len(value) not in (0, wanted):
        table.refuse("size", f"{wanted} whole numbers {_AXES[layout]} for layout {layout}")
    return tuple(value)


def _spacing(table: CheckedTable, layout: str) -> tuple[float, ...]:
    wanted = 3 if layout == "3d" else 2
    spacing = table.numbers("spacing", (), (0, wanted))
    if any(value <= 0 for value in spacing):
        table.refuse("spacing", f"{wanted} positive numbers in mm {_AXES[layout]}")
    return spacing


def _orientation(table: CheckedTable) -> str:
    code = table.text("orientation", "").upper()
    axes = {frozenset(pair) for pair in ("LR", "PA", "SI")}
    used = {axis for axis in axes for letter in code if letter in axis}
    if code and (len(code) != 3 or len(used) != 3):
        table.refuse(
            "orientation", 'three letters for column, row and slice, one each of R/L, A/P and S/I, such as "RAS"'
        )
    return code


def _explain(table: CheckedTable, classes: tuple[str, ...]) -> ExplainSpec:
    layer = table.text("layer", "") or None
    target = table.text("target", "") or None
    if target is not None and target not in classes:
        table.refuse("target", "one of the classes: " + ", ".join(f'"{name}"' for name in classes))
    spec = ExplainSpec(layer, target, table.choice("baseline", BASELINES, "minimum"))
    table.finish()
    return spec
