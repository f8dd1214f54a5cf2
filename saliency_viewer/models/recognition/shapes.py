"""What recognition looks at: the names and shapes of weights, never their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

# Old checkpoints lack these counters, and torch adds them by itself.
_COUNTER = "num_batches_tracked"
_DIGITS = re.compile(r"\d+")


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Names and shapes of the weights in ``state``, without batch counters."""
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith(_COUNTER)}


def templates(keys: Iterable[str]) -> frozenset[str]:
    """The names with every number written as ``#``: networks of one family share them, whatever their depth."""
    return frozenset(_DIGITS.sub("#", key) for key in keys)


def under(shapes: Shapes, path: str) -> dict[str, Shape]:
    """The weights of the module at ``path``, named from there."""
    start = f"{path}."
    return {key[len(start) :]: shape for key, shape in shapes.items() if key.startswith(start)}


def count_blocks(shapes: Shapes, start: str) -> int:
    """How many numbered modules follow ``start``: the highest number and one."""
    numbers = (key[len(start) :].partition(".")[0] for key in shapes if key.startswith(start))
    return max((int(number) + 1 for number in numbers if number.isdigit()), default=0)


@dataclass(frozen=True)
class Fit:
    """How well a network's weights and those of a file agree. ``matching`` counts equal names with equal shapes."""

    matching: int
    reshaped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Of all weights of either side, which agree: 0..1."""
        everything = self.matching + len(self.reshaped) + len(self.missing) + len(self.left_over)
        return self.matching / everything if everything else 0.0

    @property
    def complete(self) -> bool:
        """Whether the weights can be put into the network as they are."""
        return self.matching > 0 and not (self.reshaped or self.missing or self.left_over)

    @property
    def text(self) -> str:
        """The fit in words."""
        if self.complete:
            return f"all {self.matching} weights fit"
        parts = [f"{self.share:.0%} of the weights fit"]
        for keys, what in (
            (self.reshaped, "of another shape"),
            (self.missing, "missing"),
            (self.left_over, "left over"),
        ):
            if keys:
                parts.append(f"{len(keys)} {what} ({keys[0]}{', ...' if len(keys) > 1 else ''})")
        return ", ".join(parts)


def compare(file: Shapes, network: Shapes) -> Fit:
    """How the weights of a file fit those of a network."""
    both = file.keys() & network.keys()
    return Fit(
        matching=sum(file[key] == network[key] for key in both),
        reshaped=tuple(key for key in network if key in both and file[key] != network[key]),
        missing=tuple(key for key in network if key not in both),
        left_over=tuple(key for key in file if key not in both),
    )
