"""Whether a TorchScript program surely ends: what torch runs of it cannot be stopped from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.torchscript.loading import Script

_MOST_STEPS = 1_000_000
_LARGEST_SIZE = 4096  # turns of a loop over an axis
_OF_SIZES = frozenset(
    {"aten::size", "aten::len", "aten::dim", "aten::__getitem__", "aten::__range_length", "aten::add", "aten::sub"}
    | {"aten::floordiv", "prim::ListConstruct", "prim::min", "prim::max"}
)


def require_small(script: Script) -> None:
    """Raise :class:`UserError` for functions that call each other so often that torch could not put them together."""
    if _steps(script, loops=False) > _MOST_STEPS:
        raise UserError(
            "The TorchScript program has far more steps than any network, so it was not run.",
            "Export the network with torch.export.",
        )


def require_end(script: Script) -> None:
    """Raise :class:`UserError` for loops that go on while something holds, and for far too many steps."""
    if _steps(script, loops=True) > _MOST_STEPS:
        raise UserError(
            "The TorchScript program has a loop that may never end, because how often it runs depends on what is in "
            "the image, so it was not run.",
            "Export the network without this loop, with torch.export or torch.jit.trace.",
        )


def _steps(script: Script, loops: bool) -> float:
    try:
        return _Bounds(script.graphs, loops).of(script.module._c._get_method("forward").graph)
    except RecursionError:
        return math.inf


class _Bounds:
    """How many steps graphs take at most; without ``loops`` every loop counts once."""

    def __init__(self, graphs: Mapping[str, Any], loops: bool) -> None:
        self._graphs = graphs
        self._loops = loops
        self._found: dict[str, float] = {}

    def of(self, block: Any) -> float:
        """Of a graph, or of a block in one."""
        return sum(self._of_node(node) for node in block.nodes())

    def _of_node(self, node: Any) -> float:
        kind = node.kind()
        if kind == "prim::CallFunction":
            return self._named(next(node.inputs()).type().annotation_str)
        if kind == "prim::CallMethod":
            # Of an interface nobody knows which method it is: one without a graph counts as endless.
            return self._named(f"{next(node.inputs()).type().annotation_str}.{node.s('name')}")
        inside = sum(self.of(block) for block in node.blocks())
        counted = self._loops and kind == "prim::Loop"
        return 1 + (_turns(next(node.inputs()), set()) * inside if counted else inside)

    def _named(self, name: str) -> float:
        if name not in self._found:
            unknown = math.inf if self._loops else 1.0
            self._found[name] = self.of(self._graphs[name]) if name in self._graphs else unknown
        return self._found[name]


def _turns(value: Any, seen: set[str]) -> float:
    """The largest number that a value can be; infinite unless it comes from sizes and small numbers alone."""
    node = value.node()
    if node.kind() == "prim::Constant":
        found = value.toIValue()
        return float(found) if isinstance(found, int) and found <= _MOST_STEPS else math.inf
    if str(value.type()) == "Tensor":
        return 1.0  # its sizes are meant
    if value.type().kind() == "ListType" and node.kind() == "prim::Param":
        return _LARGEST_SIZE  # its length is meant
    if node.kind() not in _OF_SIZES or value.debugName() in seen:
        return math.inf
    seen.add(value.debugName())
    return max([_LARGEST_SIZE, *(_turns(one, seen) for one in node.inputs())])
