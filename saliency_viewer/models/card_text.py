"""A :class:`ModelCard` back to ``model.toml``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from saliency_viewer.domain import InputSpec, ModelCard
from saliency_viewer.errors import UserError


def card_to_toml(card: ModelCard) -> str:
    """The text that :func:`parse_card` reads back into an equal card."""
    output, explain = card.output, card.explain
    tables: dict[str, dict[str, Any]] = {
        "model": _model(card),
        "output": {
            "classes": output.classes or None,
            "activation": output.activation,
            "threshold": output.threshold,
            "aggregate": output.aggregate,
        },
        "input": _input(card.input),
        "explain": {"layer": explain.layer, "target": explain.target, "baseline": explain.baseline},
    }
    if card.folds:
        folds = [{"name": fold.name, "weights": fold.weights} for fold in card.folds]
        tables["ensemble"] = {"folds": folds, "held_out": card.held_out or None}
    return toml_text(tables)


def toml_text(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables as TOML writes them; values that are None are left out."""
    return "\n".join(_table(name, values) for name, values in tables.items())


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "version": card.version,
        "architecture": card.architecture,
        "weights": None if card.folds else card.weights,
        "arguments": card.arguments,
        "intended_use": card.intended_use,
        "task": card.task,
        "modality": card.modality,
        "body_part": card.body_part,
        "view": card.view,
        "pixel_spacing": card.pixel_spacing or None,
        "slice_spacing": card.slice_spacing or None,
        "slices": card.slices or None,
        "training_cases": card.training_cases or None,
    }


def _input(spec: InputSpec) -> dict[str, Any]:
    listed = bool(spec.spatial)  # stands instead of three other keys
    return {
        "layout": spec.layout,
        "channels": spec.channels,
        "size": spec.size,
        "fit": None if listed else spec.fit,
        "resize": None if listed else spec.resize,
        "interpolation": spec.interpolation,
        "antialias": spec.antialias,
        "pad_value": spec.pad_value,
        "order": spec.order,
        "spacing": None if listed else spec.spacing,
        "orientation": spec.orientation,
        "intensity": spec.intensity,
        "spatial": spec.spatial or None,
        "intensity_after": spec.intensity_after or None,
        "axes": spec.axes if spec.axes != "zyx" else None,
        "colour": spec.colour or None,
    }


def _table(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"{_key(key)} = {toml_value(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[{name}]", *lines, ""])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are a subset of those of a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(value: Any) -> str:
    """A value as TOML writes it. Raises :class:`UserError` for one that TOML has not."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise UserError(
        f"A value of type {type(value).__name__} cannot be written into model.toml.",
        "Use text, numbers, true or false, lists and tables only.",
    )
