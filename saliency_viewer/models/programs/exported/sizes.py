"""What programs of any batch or image size compute with sizes."""

from __future__ import annotations

import math
import operator as python
from collections.abc import Callable
from typing import Any

_LARGEST = 2**62  # what sizes can be
_LARGEST_POWER = 8


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of sizes, which in Python could grow beyond all memory."""

    def sized(*given: Any) -> Any:
        if not all(isinstance(number, (int, float)) for number in given):
            raise TypeError("a size that is no number")
        if function is python.pow and abs(given[1]) > _LARGEST_POWER:
            raise ValueError("a size beyond all bounds")
        result = function(*given)
        if abs(result) > _LARGEST:
            raise ValueError("a size beyond all bounds")
        return result

    return sized


_PYTHON = ("add", "sub", "mul", "floordiv", "mod", "neg", "truediv", "pow", "eq", "ne", "lt", "le", "gt", "ge")
OF_SIZES: dict[str, Callable[..., Any]] = {
    **{f"_operator.{name}": _bounded(getattr(python, name)) for name in (*_PYTHON, "and_", "or_", "not_")},
    "_operator.getitem": python.getitem,
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc", "sqrt")},
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_int": int,
    "torch.sym_float": float,
    "torch.sym_not": python.not_,
    "torch._sym_sqrt": math.sqrt,
}
