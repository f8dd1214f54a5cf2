"""Walking the graph that autograd recorded."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def nodes_behind(end: Tensor) -> set[Any]:
    """Every autograd node that ``end`` depends on."""
    found: set[Any] = set()
    waiting = [end.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in found:
            continue
        found.add(node)
        waiting.extend(parent for parent, _ in node.next_functions)
    return found
