"""Walking the graph that autograd recorded."""

from __future__ import annotations

from collections import deque
from typing import Any

from torch import Tensor


def nodes_behind(end: Tensor) -> set[Any]:
    """Every autograd node that ``end`` depends on."""
    return NodesBehind(end).all()


class NodesBehind:
    """The same, looked up only as far as needed: what is asked for mostly stands near the end."""

    def __init__(self, end: Tensor) -> None:
        self._found: set[Any] = {end.grad_fn}
        self._waiting = deque(self._found)

    def __contains__(self, node: Any) -> bool:
        while node not in self._found and self._waiting:
            self._step()
        return node is not None and node in self._found

    def all(self) -> set[Any]:
        """Every node."""
        while self._waiting:
            self._step()
        return self._found - {None}

    def _step(self) -> None:
        node = self._waiting.popleft()
        for parent, _ in () if node is None else node.next_functions:
            if parent not in self._found:
                self._found.add(parent)
                self._waiting.append(parent)
