"""The table as Markdown: one matrix for each form, reasons below."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.forms.measure import Row
from saliency_viewer.attribution import METHODS

_MARKS = {"verified": "✓", "approximate": "≈", "failed": "✗", "not defined": "–"}
_HEAD = """# Package forms, architectures, methods

Made by `python -m benchmarks.forms`: networks with calibrated random weights, three classes, written to disk in each
form, loaded as packages and explained by every method with few steps. ✓ applied and verified; ≈ applied, with a
residual or a statistical error above the badge's limit (random weights, few steps); ✗ applied, but the badge says that
the sum does not hold; a letter: not applied, for the reason below the table. "answer": the largest difference from the
original network's logits, relative to the largest. "maps": the same of the maps, the worst of the methods without
random numbers, where the form was made of a torch network.
"""
_RANDOM = ("smooth", "var-grad", "noise", "shap", "rise", "score-cam")


def table(rows: Sequence[Row]) -> str:
    """The whole page."""
    forms = list(dict.fromkeys(row.form for row in rows))
    return "\n".join([_HEAD, *(_form([row for row in rows if row.form == form]) for form in forms)])


def _form(rows: Sequence[Row]) -> str:
    letters: dict[str, str] = {}
    lines = [f"## {rows[0].form}", "", "| | " + " | ".join(row.subject for row in rows) + " |"]
    lines.append("|---" * (len(rows) + 1) + "|")
    lines.append("| answer | " + " | ".join(_number(row.difference_of_answer) for row in rows) + " |")
    if any(row.differences for row in rows):
        lines.append("| maps | " + " | ".join(_number(_worst(row)) for row in rows) + " |")
    for method in METHODS:
        lines.append(f"| {method.id} | " + " | ".join(_cell(row, method.id, letters) for row in rows) + " |")
    lines += ["", *(f"* {letter}: {reason}" for reason, letter in letters.items()), ""]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}"


def _worst(row: Row) -> float | None:
    exact = [value for name, value in row.differences.items() if not name.startswith(_RANDOM)]
    return max(exact) if exact else None


def _cell(row: Row, method: str, letters: dict[str, str]) -> str:
    if method in row.badges:
        return _MARKS[row.badges[method]]
    reason = row.reasons.get(method, row.fault)
    return letters.setdefault(reason, _letter(len(letters)))


def _letter(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] * (1 + number // 26)
