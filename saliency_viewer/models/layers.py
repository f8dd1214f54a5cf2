"""The modules of a network as a tree, for the choice of a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from saliency_viewer.models.classifier import Classifier


@dataclass(frozen=True)
class LayerNode:
    """One module.

    Attributes
    ----------
    name, path:
        Its own name, and that for ``named_modules`` (empty for the network itself).
    kind:
        Its class.
    output:
        (channels, *spatial) of one sample's output at its last call; empty when it was not called or gives no tensor.
    has_maps:
        Whether a layer method can read it: feature maps with more than one position.
    """

    name: str
    path: str
    kind: str
    output: tuple[int, ...] = ()
    has_maps: bool = False
    children: tuple[LayerNode, ...] = ()

    def walk(self) -> Iterator[LayerNode]:
        """The node and all below it, in the order of definition."""
        yield self
        for child in self.children:
            yield from child.walk()


def layer_tree(classifier: Classifier) -> LayerNode:
    """The tree of the network's modules with the shapes seen in one run on zeros.

    A module used in several places stands in each of them. Raises :class:`UserError` when the network cannot run.
    """
    from saliency_viewer.models.forward import count_outputs, input_shape

    classifier = classifier.members[0]  # the folds of an ensemble are alike
    shapes: dict[int, tuple[int, ...]] = {}
    with _shapes_noted(classifier.network, shapes):
        count_outputs(classifier.network, classifier.card.input, classifier.device)
    return _node(classifier.network, "", "", shapes, len(input_shape(classifier.card.input)) - 1)


@contextmanager
def _shapes_noted(network: nn.Module, shapes: dict[int, tuple[int, ...]]) -> Iterator[None]:
    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        shape = getattr(output, "shape", None)
        if shape is not None and len(shape) > 1:
            shapes[id(module)] = tuple(int(size) for size in shape[1:])

    import torch

    own = [module for module in network.modules() if not isinstance(module, torch.jit.ScriptModule)]  # takes no hooks
    handles = [module.register_forward_hook(note) for module in own]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _node(module: nn.Module, name: str, path: str, shapes: dict[int, tuple[int, ...]], axes: int) -> LayerNode:
    children = tuple(
        _node(child, child_name, f"{path}.{child_name}" if path else child_name, shapes, axes)
        for child_name, child in module._modules.items()
        if child is not None
    )
    output = shapes.get(id(module), ())
    return LayerNode(name, path, type(module).__name__, output, _has_maps(output, axes), children)


def _has_maps(output: tuple[int, ...], axes: int) -> bool:
    """Pooled features with their channels last (1, 1, C), as ConvNeXt normalises them, are no map."""
    pooled = len(output) > 2 and math.prod(output[:-1]) == 1
    return len(output) == axes and math.prod(output[1:]) > 1 and not pooled
