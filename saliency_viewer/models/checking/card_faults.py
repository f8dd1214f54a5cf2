"""Everything that is wrong with a card, not only the first: what is wrong is taken out, and the rest read again."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import toml_text
from saliency_viewer.models.checked_table import CardError

_MOST = 50
_STEP = re.compile(r"(?P<table>\w+)\.(?P<key>\w+) (?:step|entry) (?P<number>\d+)")
# What stands for a key that must be there, or on which others depend, so that the rest can be read.
_STAND_INS: dict[tuple[str, str], Any] = {
    ("model", "name"): "?",
    ("model", "architecture"): "?",
    ("output", "classes"): ["?", "??"],
    ("input", "channels"): 3,
    ("input", "size"): [1, 1],
}


def card_faults(text: str) -> tuple[ModelCard | None, tuple[UserError, ...]]:
    """The card and its faults, in their order.

    A card with faults is what was read around them; None when that says too little: no classes, no architecture.
    """
    faults: list[UserError] = []
    try:
        card = parse_card(text)
    except UserError as error:
        faults.append(error)
    else:
        return card, ()
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None, tuple(faults)  # it names the place; nothing after it can be read
    mended: set[tuple[str, str]] = set()
    while len(faults) < _MOST:
        fault = faults[-1]
        place = (fault.table, fault.key) if isinstance(fault, CardError) else None
        if place in mended or not (_mend(tables, *place) if place else _mend_step(tables, fault)):
            break
        if place:
            mended.add(place)
        following = _fault_of(tables)
        if following is None:
            readable = not mended & _STAND_INS.keys() and ("input", "layout") not in mended
            return parse_card(toml_text(tables)) if readable else None, tuple(faults)
        faults.append(following)
    return None, tuple(faults)


def _fault_of(tables: dict[str, Any]) -> UserError | None:
    try:
        parse_card(toml_text(tables))
    except UserError as error:
        return error
    return None


def _mend(tables: dict[str, Any], table: str, key: str) -> bool:
    """Take a wrong value out, or put a stand-in where one must be; False when that is not possible."""
    if not key:
        return tables.pop(table, None) is not None
    step = _STEP.fullmatch(table)
    if step is not None:
        return _without_step(tables, step["table"], step["key"], int(step["number"]))
    values = tables.setdefault(table, {})
    if not isinstance(values, dict):
        return False
    if (table, key) == ("input", "layout"):
        values[key] = "3d" if len(values.get("size") or ()) == 3 else "2d"
        return True
    if (table, key) in _STAND_INS:
        values[key] = [1, 1, 1] if key == "size" and values.get("layout") == "3d" else _STAND_INS[table, key]
        if key == "classes":
            tables.get("explain", {}).pop("target", None)  # it could only be wrong about the stand-ins
        return True
    return values.pop(key, None) is not None


def _without_step(tables: dict[str, Any], table: str, key: str, number: int) -> bool:
    """Replace a wrong step by a harmless one: the numbers of those after it stay."""
    steps = tables.get(table, {}).get(key)
    if not isinstance(steps, list) or not 0 < number <= len(steps):
        return False
    # Both fit behind any step, for any number of axes, and change no size.
    steps[number - 1] = {"step": "pad", "multiple": 1} if key == "spatial" else {"step": "invert"}
    return True


def _mend_step(tables: dict[str, Any], fault: UserError) -> bool:
    """Replace the step behind a fault that does not say where it is: the one without which it is gone."""
    table = tables.get("input", {})
    lists = [key for key, steps in table.items() if isinstance(steps, list) and any(isinstance(s, dict) for s in steps)]
    for key in lists:
        for number, step in enumerate(table[key], start=1):
            _without_step(tables, "input", key, number)
            following = _fault_of(tables)
            if following is None or following.message != fault.message:
                return True
            table[key][number - 1] = step
    return False
