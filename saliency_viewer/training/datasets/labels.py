"""Texts of a label column as classes in an order that does not depend on the order of the rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

UNKNOWN = frozenset({"unknown", "unclear", "?", "-"})
MOST_CLASSES = 100
# A two-class network speaks for its second class, so the one without a finding comes first.
_NEGATIVE = frozenset(
    {"normal", "no", "none", "false", "negative", "neg", "absent", "healthy", "control", "controls", "hc", "benign"}
)
_NEGATIVE_STARTS = ("no ", "non ", "non-", "not ", "without ")


def class_of(text: str, numeric: bool) -> str:
    """What texts of one class have in common: ``1`` and ``1.0``, ``Normal`` and ``normal``."""
    if numeric:
        return f"{float(text) + 0.0:.12g}"  # -0 is 0
    return " ".join(text.split()).casefold()


def is_numeric(texts: Iterable[str]) -> bool:
    """Whether every text is a finite number."""
    for text in texts:
        try:
            if not math.isfinite(float(text)):
                return False
        except ValueError:
            return False
    return True


def classes_of(texts: Iterable[str]) -> dict[str, tuple[int, str]]:
    """For each class of ``texts``, by :func:`class_of`: its index, and its name in the most frequent spelling.

    Numbers are sorted as numbers. Of words, those that deny come first (normal, negative, no finding, ...), the
    others follow in alphabetical order.
    """
    spellings = Counter(texts)
    numeric = is_numeric(spellings)
    groups: dict[str, Counter[str]] = {}
    for text, count in spellings.items():
        groups.setdefault(class_of(text, numeric), Counter())[text] = count
    order = sorted(groups, key=float) if numeric else sorted(groups, key=lambda one: (not denies(one), one))
    return {one: (index, one if numeric else _spelling(groups[one])) for index, one in enumerate(order)}


def denies(name: str) -> bool:
    """Whether a class is the absence of what another is: normal, no finding, 0."""
    text = class_of(name, False)
    return text == "0" or text in _NEGATIVE or text.startswith(_NEGATIVE_STARTS)


def _spelling(counts: Counter[str]) -> str:
    return min(counts, key=lambda text: (-counts[text], text))
