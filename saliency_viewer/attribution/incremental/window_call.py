"""One call of an operator on windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saliency_viewer.attribution.incremental.windows import Windows
from saliency_viewer.attribution.operators import Call


@dataclass(frozen=True, eq=False)
class WindowCall:
    """A call some of whose tensors are windows: ``windows`` by the id of the tensor that stands for them.

    ``base`` is what the same call gave for the unmodified sample, (1, K, *grid).
    """

    call: Call
    windows: dict[int, Windows]
    base: Tensor

    @property
    def input(self) -> Windows | None:
        """The windows that are the first argument."""
        return self.windows.get(id(self.call.input))


# None where the operator cannot work on windows alone.
Handler = Callable[[WindowCall], Windows | None]


def swapped(value: Any, swap: Callable[[Tensor], Tensor]) -> Any:
    """A possibly nested list, tuple or dictionary with other tensors in it."""
    if isinstance(value, Tensor):
        return swap(value)
    if type(value) in (list, tuple):
        return type(value)(swapped(item, swap) for item in value)
    if isinstance(value, dict):
        return {key: swapped(item, swap) for key, item in value.items()}
    return value
