"""The table as Markdown: one matrix for each form, reasons below."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.forms.measure import Row
from saliency_viewer.attribution import METHODS

_MARKS = {"verified": "✓", "approximate": "≈", "failed": "✗", "not defined": "–"}
_HEAD = """# Package forms, architectures, methods

Made by `python -m benchmarks.forms`: networks with calibrated random weights, three classes, written to disk in each
form, loaded as packages and explained by every method with few steps. ✓ applied and verified; ≈ applied, with a
residual or a statistical error above the badge's limit (random weights, few steps); ✗ applied, but the badge says that
the sum does not hold; a letter: not applied, for the reason below the table. "answer": the largest difference from the
original network's logits, relative to the largest. "maps": the same of the maps (same seeds), in the median over the
methods, and of the one farthest away, where the form was made of a torch network. ONNX orders sums differently, so
that answers differ in the last digits: what decides by them (the path of Guided IG, the sign of Eigen-Grad-CAM's
singular vector, the side of zero on which a ReLU of random weights stands) differs more.
"""


def table(rows: Sequence[Row]) -> str:
    """The whole page."""
    forms = list(dict.fromkeys(row.form for row in rows))
    return "\n".join(
        [_HEAD, _overview(rows, forms), *(_form([row for row in rows if row.form == form]) for form in forms)]
    )


def _overview(rows: Sequence[Row], forms: Sequence[str]) -> str:
    """How many methods apply, for each form and architecture."""
    subjects = list(dict.fromkeys(row.subject for row in rows))
    applied = {(row.form, row.subject): str(len(row.badges)) for row in rows}
    lines = [f"## Methods that apply, of {len(METHODS)}", "", "| | " + " | ".join(subjects) + " |"]
    lines.append("|---" * (len(subjects) + 1) + "|")
    for form in forms:
        cells = (applied.get((form, subject), "") for subject in subjects)
        lines.append(f"| {form} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _form(rows: Sequence[Row]) -> str:
    letters: dict[str, str] = {}
    lines = [f"## {rows[0].form}", "", "| | " + " | ".join(row.subject for row in rows) + " |"]
    lines.append("|---" * (len(rows) + 1) + "|")
    lines.append("| answer | " + " | ".join(_number(row.difference_of_answer) for row in rows) + " |")
    if any(row.differences for row in rows):
        lines.append("| maps, median | " + " | ".join(_middle(row) for row in rows) + " |")
        lines.append("| maps, farthest | " + " | ".join(_worst(row) for row in rows) + " |")
    for method in METHODS:
        lines.append(f"| {method.id} | " + " | ".join(_cell(row, method.id, letters) for row in rows) + " |")
    lines += ["", *(f"* {letter}: {reason}" for reason, letter in letters.items()), ""]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0e}" if value else "0"


def _middle(row: Row) -> str:
    return _number(statistics.median(row.differences.values())) if row.differences else ""


def _worst(row: Row) -> str:
    if not row.differences:
        return ""
    name = max(row.differences, key=row.differences.__getitem__)
    return f"{_number(row.differences[name])} {name}" if row.differences[name] else "0"


def _cell(row: Row, method: str, letters: dict[str, str]) -> str:
    if method in row.badges:
        return _MARKS[row.badges[method]]
    reason = row.reasons.get(method, row.fault)
    return letters.setdefault(reason, _letter(len(letters)))


def _letter(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] * (1 + number // 26)
