"""``model.toml`` to a :class:`ModelCard`."""

from __future__ import annotations

import re
import tomllib
from typing import Any, cast

from saliency_viewer.domain import ExplainSpec, Fold, InputSpec, ModelCard, OutputSpec
from saliency_viewer.domain.model_card import Activation
from saliency_viewer.errors import UserError
from saliency_viewer.models.card_input import parse_input
from saliency_viewer.models.checked_table import CardError, CheckedTable, near_match

ALL_FOLDS = "mean"  # what is asked for when all folds of an ensemble shall answer together
BASELINES = ("minimum", "zero", "blur", "mean")
_TABLES = ("model", "output", "input", "explain", "ensemble")


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
    except RecursionError:
        raise UserError("model.toml is not valid TOML.", "Mend this: brackets are nested without end.") from None
    for name, table in tables.items():
        if name not in _TABLES:
            raise CardError(f"model.toml: there is no table [{name}].", near_match(name, _TABLES), "", name)
        if not isinstance(table, dict):
            raise CardError(f"model.toml: [{name}] must be a table.", f"Start its lines with [{name}].", "", name)
    output = _output(CheckedTable("output", tables.get("output", {})))
    inputs = parse_input(CheckedTable("input", tables.get("input", {})))
    explain = _explain(CheckedTable("explain", tables.get("explain", {})), output.classes)
    ensemble = CheckedTable("ensemble", tables["ensemble"]) if "ensemble" in tables else None
    return _model(CheckedTable("model", tables.get("model", {})), ensemble, output, inputs, explain)


def _model(
    table: CheckedTable, ensemble: CheckedTable | None, output: OutputSpec, inputs: InputSpec, explain: ExplainSpec
) -> ModelCard:
    arguments = table.take("arguments", {})
    if not isinstance(arguments, dict):
        table.refuse("arguments", "a table such as { num_classes = 2 }")
    if ensemble is not None and table.has("weights"):
        table.refuse("weights", "no weights here: those of the folds stand in [ensemble]")
    folds = _folds(ensemble) if ensemble is not None else ()
    card = ModelCard(
        name=table.text("name"),
        version=table.text("version", "1.0"),
        architecture=table.text("architecture"),
        weights=folds[0].weights if folds else table.text("weights", "weights.safetensors"),
        output=output,
        input=inputs,
        explain=explain,
        arguments=arguments,
        intended_use=table.text("intended_use", "research"),
        task=cast(Any, table.choice("task", ("classification", "segmentation"), "classification")),
        modality=table.texts("modality", ()),
        body_part=table.texts("body_part", ()),
        view=table.texts("view", ()),
        pixel_spacing=_range(table, "pixel_spacing"),
        slice_spacing=_range(table, "slice_spacing"),
        slices=_range(table, "slices"),
        folds=folds,
        held_out=ensemble.text("held_out", "") if ensemble is not None else "",
        training_cases=table.text("training_cases", ""),
    )
    table.finish()
    if ensemble is not None:
        ensemble.finish()
    return card


def _output(table: CheckedTable) -> OutputSpec:
    classes = table.texts("classes", ())
    if len(set(classes)) != len(classes):
        table.refuse("classes", "each class name only once")
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


def _folds(table: CheckedTable) -> tuple[Fold, ...]:
    """``folds``: tables with a name and a weights file each."""
    listed = table.take("folds", [])
    if not isinstance(listed, list) or len(listed) < 2 or not all(isinstance(entry, dict) for entry in listed):
        table.refuse("folds", 'two or more tables such as { name = "0", weights = "fold0.safetensors" }')
    folds = []
    for number, entry in enumerate(listed, start=1):
        one = CheckedTable(f"ensemble.folds entry {number}", entry)
        folds.append(Fold(one.text("name"), one.text("weights")))
        one.finish()
    names = [fold.name for fold in folds]
    if len(set(names)) != len(names) or ALL_FOLDS in names:
        table.refuse("folds", f"a name of its own for every fold, and none of them '{ALL_FOLDS}'")
    return tuple(folds)


def _range(table: CheckedTable, key: str) -> tuple[float, ...]:
    limits = table.numbers(key, (), (0, 2))
    if limits and not 0 < limits[0] <= limits[1]:
        table.refuse(key, "the least and the most, both above 0")
    return limits


def _explain(table: CheckedTable, classes: tuple[str, ...]) -> ExplainSpec:
    layer = table.text("layer", "") or None
    target = table.text("target", "") or None
    if target is not None and classes and target not in classes:
        table.refuse("target", "one of the classes: " + ", ".join(f'"{name}"' for name in classes))
    spec = ExplainSpec(layer, target, table.choice("baseline", BASELINES, "minimum"))
    table.finish()
    return spec
