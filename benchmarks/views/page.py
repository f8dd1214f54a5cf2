"""The tutorial's tables, written between two marks of its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "ap-supine-or-pa"
METHOD_NAMES = {"grad-cam": "Grad-CAM", "integrated-gradients": "Integrated gradients", "lrp-epsilon-plus": "LRP ε-z⁺"}


def write_numbers(numbers: dict[str, Any], page: Path) -> None:
    """Replace what stands between ``<!-- TABLE -->`` and ``<!-- end -->`` for each table; a page must be there."""
    if not page.exists():
        return
    text = page.read_text(encoding="utf-8")
    for name, table in (("greys", _greys), ("changes", _changes), ("shares", _shares), ("elsewhere", _elsewhere)):
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        head, rest = text.split(begin, 1)
        text = head + begin + table(numbers) + rest[rest.index(end) :]
    page.write_text(text, encoding="utf-8")


def _greys(numbers: dict[str, Any]) -> str:
    rows = [(one["number"], f"{one['ap']:.3g}", f"{one['pa']:.3g}", _written(one["auc"])) for one in
            numbers["single_numbers"]]  # fmt: skip
    return _table(("", "mean, AP supine", "mean, PA", "AUC (95 %)"), rows)


def _changes(numbers: dict[str, Any]) -> str:
    rows = [
        (
            one["change"],
            f"{one['pictures']}",
            _written(one["auc"]),
            f"{one['right']}",
            "" if one["change"] == "as it is" else _written(one["true_view"], "+", 3),
            "" if one["change"] == "as it is" else f"{one['turned_to_ap']} / {one['turned_to_pa']}",
        )
        for one in numbers["changes"]
    ]
    heads = ("the picture", "pictures", "AUC (95 %)", "right", "change of P(true view) (95 %)", "turned to AP / to PA")
    return _table(heads, rows)


def _shares(numbers: dict[str, Any]) -> str:
    rows = [
        (
            METHOD_NAMES[one["method"]],
            one["place"],
            f"{one['pictures']}",
            f"{one['area']['value']:.3f}",
            _written(one["trained"], places=3),
            _written(one["untrained"], places=3),
            _written(one["trained_over_untrained"], "+", 3),
        )
        for one in numbers["shares"]
    ]
    heads = ("method", "place", "pictures", "area (chance)", "trained (95 %)", "untrained (95 %)", "difference (95 %)")
    return _table(heads, rows)


def _elsewhere(numbers: dict[str, Any]) -> str:
    rows = [(f"{one['mean_grey']:.0f}", f"{one['detail']:.3f}", f"{one['ap']:.2f}") for one in numbers["elsewhere"]]
    return _table(("mean grey of the file", "strength of fine detail", "P(AP supine)"), rows)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _written(one: dict[str, float], sign: str = "", places: int = 2) -> str:
    value, low, high = (f"{one[name]:{sign}.{places}f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
