"""Parameters of methods as dataclass fields that describe themselves.

The same metadata feeds the method panel, the command line, the session file and the documentation.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from saliency_viewer.errors import UserError

Value = float | int | str | bool | None


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter as the panel and the command line need it. ``kind`` is int, float, str or bool."""

    name: str
    kind: type
    default: Any
    label: str
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False

    def parse(self, value: object, owner: str = "") -> Any:
        """Check ``value`` (a string from the command line or a typed one); raises :class:`UserError`.

        None is a value where it is the default, e.g. "all channels".
        """
        if value is None and self.default is None:
            return None
        name = f"{owner}.{self.name}" if owner else self.name
        try:
            parsed = self._convert(value)
        except (TypeError, ValueError):
            raise UserError(f"'{value}' is no value for {name}.", self._range_text()) from None
        in_choices = not self.choices or parsed in self.choices
        above = self.minimum is None or isinstance(parsed, str) or parsed >= self.minimum
        below = self.maximum is None or isinstance(parsed, str) or parsed <= self.maximum
        if not (in_choices and above and below):
            raise UserError(f"{value} is out of range for {name}.", self._range_text())
        return parsed

    def _convert(self, value: object) -> Any:
        if self.kind is bool:
            if isinstance(value, bool):
                return value
            return (
                {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[str(value).lower()]
                if str(value).lower() in {"true", "yes", "1", "false", "no", "0"}
                else _refuse(value)
            )
        if self.kind is int:
            number = float(str(value))
            return int(number) if number.is_integer() else _refuse(value)
        if self.kind is float:
            number = float(str(value))
            return number if number == number else _refuse(value)
        return str(value)

    def _range_text(self) -> str:
        if self.choices:
            return f"Choose one of: {', '.join(self.choices)}."
        if self.kind is bool:
            return "Write true or false."
        low = "" if self.minimum is None else f" from {self.minimum:g}"
        high = "" if self.maximum is None else f" to {self.maximum:g}"
        return f"It takes {'a whole number' if self.kind is int else 'a number'}{low}{high}."


def _refuse(value: object) -> Any:
    raise ValueError(f"not convertible: {value!r}")


def parameter(
    default: Value,
    *,
    label: str,
    help: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """A dataclass field with the metadata of :class:`ParameterSpec`."""
    metadata = {
        "label": label,
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata=metadata)


def parameter_specs(parameters: type) -> tuple[ParameterSpec, ...]:
    """The specs of a ``Parameters`` dataclass, in the order of its fields."""
    hints = get_type_hints(parameters)
    return tuple(
        ParameterSpec(field.name, _plain_type(hints[field.name]), field.default, **field.metadata)
        for field in dataclasses.fields(parameters)
    )


def _plain_type(hint: Any) -> type:
    """``int`` of ``int | None`` and of ``Literal``-free annotations."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    return hint if isinstance(hint, type) else str
