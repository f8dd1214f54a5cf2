"""The modules of a network as a tree, for the choice of a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerNode:
    """One module.

    ``path`` is its name for ``named_modules`` (empty for the network itself), ``name`` the last part of
    it, ``kind`` its class.
    """

    name: str
    path: str
    kind: str
    children: tuple[LayerNode, ...] = ()

    def walk(self) -> Iterator[LayerNode]:
        """The node and all below it, in the order of definition."""
        yield self
        for child in self.children:
            yield from child.walk()


def layer_names(network: nn.Module) -> LayerNode:
    """The tree of ``network``'s modules; a module used in several places stands in each of them."""
    return _node(network, "", "")


def _node(module: nn.Module, name: str, path: str) -> LayerNode:
    children = tuple(
        _node(child, child_name, f"{path}.{child_name}" if path else child_name)
        for child_name, child in module._modules.items()
        if child is not None
    )
    return LayerNode(name, path, type(module).__name__, children)
