"""View settings out of a file: what the window would stumble over is left out, and it starts with its own setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


def usable_view(record: Mapping[str, Any]) -> dict[str, Any]:
    """``record`` without those settings whose values are of another kind than the window writes."""
    return {name: value for name, value in record.items() if _KINDS.get(name, _anything)(value)}


def _anything(_value: Any) -> bool:
    return True


def _is_share(value: Any) -> bool:
    # No whole number is too large for Python, but for a float it is.
    return isinstance(value, int | float) and abs(value) <= 1 and math.isfinite(value)


def _is_index(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(place) is int for place in value)


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "index": _is_index,
    "fade": _is_share,
    "threshold": _is_share,
    "method": _is_name,
    "region": _is_name,
}
