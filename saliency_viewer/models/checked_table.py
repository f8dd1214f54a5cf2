"""Reading a TOML table strictly: every wrong key or value becomes a sentence that says what would be right."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from saliency_viewer.errors import UserError


def near_match(word: str, known: Iterable[str], label: str = "Choose one of") -> str:
    """A hint: "Did you mean 'x'?" when something known is close, else the whole list (at most 20 names)."""
    names = list(known)
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)  # of names that differ in case only the first is meant
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{lowered[close[0]]}'?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{label}: {shown}."


class CardError(UserError):
    """Something wrong with a card, with the place: ``table`` and ``key`` as ``model.toml`` writes them.

    ``key`` is empty when the whole table is wrong.
    """

    def __init__(self, message: str, hint: str = "", detail: str = "", table: str = "", key: str = "") -> None:
        super().__init__(message, hint, detail)
        self.table, self.key = table, key


class CheckedTable:
    """One table of ``model.toml`` whose keys are taken one by one; :meth:`finish` refuses what was not taken.

    Every method raises :class:`UserError` that names the table, the key, the wrong value and what is allowed.
    """

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self.name = name
        self._values = dict(values)
        self._asked: list[str] = []

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        return key in self._values

    def take(self, key: str, default: Any = None) -> Any:
        """The raw value, or ``default``."""
        self._asked.append(key)
        return self._values.get(key, default)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Say that the value of ``key`` is wrong and what is expected."""
        message = f"model.toml: {self.name}.{key} = {self._values.get(key)!r} is not valid."
        raise CardError(message, f"Write {expected}.", "", self.name, key)

    def _refuse_missing(self, key: str, example: str) -> NoReturn:
        raise CardError(
            f"model.toml: {self.name}.{key} is missing.", f"Add a line like {key} = {example}.", "", self.name, key
        )

    def text(self, key: str, default: str | None = None) -> str:
        """A string; without a default it must be there and not empty."""
        value = self.take(key, default)
        if value is None:
            self._refuse_missing(key, '"..."')
        if not isinstance(value, str) or (default is None and not value.strip()):
            self.refuse(key, "text in quotation marks")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """One of the allowed words."""
        value = self.take(key, default)
        if value not in allowed:
            self.refuse(key, "one of: " + ", ".join(f'"{word}"' for word in allowed))
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def whole(self, key: str, default: int, minimum: int) -> int:
        """A whole number from ``minimum`` up."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            self.refuse(key, f"a whole number from {minimum} up")
        return value

    def wholes(self, key: str, count: int) -> tuple[int, ...]:
        """A list of ``count`` whole numbers above 0."""
        value = self.take(key)
        good = isinstance(value, (list, tuple)) and all(type(item) is int and item > 0 for item in value)
        if not good or len(value) != count:
            self.refuse(key, f"a list of {count} whole numbers above 0")
        return tuple(value)

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; without a default it must be there."""
        value = self.take(key, default)
        if value is None:
            self._refuse_missing(key, "1.0")
        if not _is_number(value):
            self.refuse(key, "a number")
        return float(value)

    def numbers(
        self, key: str, default: tuple[float, ...] | None = None, counts: tuple[int, ...] = ()
    ) -> tuple[float, ...]:
        """A list of finite numbers; a single number counts as a list of one. ``counts`` are the allowed lengths."""
        value = self.take(key, default)
        if value is None:
            self._refuse_missing(key, "[0.5]")
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
        if not all(_is_number(item) for item in listed) or (counts and len(listed) not in counts):
            lengths = f" of length {' or '.join(map(str, counts))}" if counts else ""
            self.refuse(key, f"a list of numbers{lengths}")
        return tuple(float(item) for item in listed)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of strings; a single string counts as a list of one."""
        value = self.take(key, default)
        if value is None:
            self._refuse_missing(key, '["a", "b"]')
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) and item for item in listed):
            self.refuse(key, "a list of texts in quotation marks")
        return tuple(listed)

    def finish(self) -> None:
        """Refuse keys that nobody asked for: a misspelt key would silently do nothing."""
        for key in self._values:
            if key not in self._asked:
                message = f"model.toml: there is no key '{key}' in {self.name}."
                raise CardError(message, near_match(key, self._asked), "", self.name, key)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
