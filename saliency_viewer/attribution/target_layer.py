"""Finding the layer whose maps a class activation method reads."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.layer_forms import Form, Forms
from saliency_viewer.attribution.network_state import Inventory
from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.recording import Module, NotReplayable, Recording, Step, Tail
from saliency_viewer.attribution.rules.families import CONVOLUTIONS
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError

_TOKEN_LAYERS = 6  # how many of the last token layers are asked whether the score depends on their patches


@dataclass(frozen=True, eq=False)
class Found:
    """The layer's tensor as the network has it, its name, and how to see it as maps (N, K, *spatial)."""

    tensor: Tensor
    name: str
    form: Form
    tail: Tail | None = None  # with a recording: the operators behind the layer

    def replayed(self, given: Tensor, end: Tensor) -> Tensor:
        """What the output ``end`` becomes with ``given`` in the layer's place; may raise NotReplayable."""
        if self.tail is None:
            raise NotReplayable
        return self.tail.replay(self.tensor, given, end)


class LayerWatch:
    """Remembers the operators that may have made the target layer during one forward pass.

    With a name, that module's output counts (its last call). Without, the last maps with more than one position on
    the way to the score, whether a module, a function or an in-place operator made them. Of token layers only layer
    normalisations count, the last one at whose patches the score has a gradient: behind the last attention a class
    token is alone.
    """

    def __init__(
        self,
        network: nn.Module,
        inventory: Inventory,
        name: str | None,
        input_dimensions: int,
        recorded: bool,
        sparing: bool,
    ) -> None:
        self._name = name
        self._recorded = recorded
        self._dimensions = input_dimensions
        self._forms = Forms(input_dimensions)
        self._recording = Recording(recorded, input_dimensions if sparing else 0)
        self._names = inventory.names
        self._chosen = None if name is None else _module(network, inventory, name)
        self._named: Tensor | None = None
        self._latest_module = ""

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Follow module names while the network runs.

        One hook on all modules, since hooking and unhooking hundreds costs as much as some operators. Other threads'
        networks run through it untouched.
        """
        thread = threading.get_ident()

        def hook(module: nn.Module, _inputs: Any, output: Any) -> Any:
            name = self._names.get(module)
            if name is None or threading.get_ident() != thread:
                return None
            return self._ended(module, name, output)

        handle = register_module_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def watch(self, call: Call, result: Any) -> None:
        """See one operator's result."""
        name = call.name
        if name == "layer_norm":
            self._forms.layer_norm(call.argument(1, "normalized_shape", ()), call.input.shape)
        elif name in CONVOLUTIONS:
            self._forms.convolution(result)
        elif not self._recorded and isinstance(result, Tensor) and result.ndim != self._dimensions:
            return  # with a graph only maps need to be remembered, and hundreds of operators run
        self._recording.watch(call, result, self._latest_module)

    def find(self, score: Tensor) -> Found:
        """The layer in the graph behind ``score`` (N,); raises :class:`UserError` when there is none."""
        if self._name is not None:
            return self._by_name(in_graph=True)
        reached = nodes_behind(score)
        tokens: list[Found] = []
        for step in self._recording.reversed():
            for tensor in tensors_in(step[1]):
                found = self._candidate(step, tensor) if tensor.grad_fn in reached else None
                if found is None:
                    continue
                if found.form.grid is None:
                    return _with_patch_gradient(tokens, score) if tokens else found
                tokens.append(found)
                if len(tokens) == _TOKEN_LAYERS or not found.form.prefix:
                    return _with_patch_gradient(tokens, score)
        return _with_patch_gradient(tokens, score)

    def forget(self) -> None:
        """Hold no tensors any longer."""
        self._recording.forget()

    def find_recorded(self, end: Tensor) -> Found:
        """The layer among the recorded operators on the way to ``end``.

        Raises :class:`NotReplayable` where only the graph can tell, and :class:`UserError` when there is none.
        """
        if self._name is not None:
            return replace(self._by_name(), tail=self._recording.whole())
        for position, step, tensor in self._recording.on_the_way_to(end):
            found = self._candidate(step, tensor)
            if found is not None and found.form.grid is not None:
                break
            if found is not None:
                return replace(found, tail=self._recording.after(position))
        raise NotReplayable

    def _candidate(self, step: Step, tensor: Tensor) -> Found | None:
        """A step's result as a layer; None for what is no feature map."""
        call, _, where = step
        form = None if call.name == "pad" else self._forms.of(tensor)  # padding only surrounds maps seen before
        if form is None or (form.grid is not None and call.name != "layer_norm"):
            return None
        label = where if isinstance(where, Module) else f"{where} → {call.name}" if where else call.name
        return Found(tensor, str(label), form)

    def with_tail(self, found: Found) -> Found:
        """The same layer, found through the graph of a recorded pass, with the operators behind it."""
        return replace(found, tail=self._recording.behind(found.tensor))

    def _by_name(self, in_graph: bool = False) -> Found:
        form = None if self._named is None else self._forms.of(self._named)
        if self._named is None or form is None or (in_graph and not self._named.requires_grad):
            raise UserError(
                f"The layer '{self._name}' gives no feature maps with more than one position.",
                "Choose a convolution or activation layer before the pooling.",
            )
        return Found(self._named, str(self._name), form)

    def _ended(self, module: nn.Module, name: str, output: Any) -> Any:
        self._latest_module = name
        if name:
            # The outermost module that ends with this tensor is the name a user knows: layer4, not layer4.1.relu.
            self._recording.ended(output, name)
        if module is not self._chosen or not isinstance(output, Tensor):
            return None
        # A later in-place operator must not change what was captured, so the network goes on with a copy.
        self._named = output
        if self._recorded:
            self._recording.restart()
        return output.clone()


def _module(network: nn.Module, inventory: Inventory, name: str) -> nn.Module:
    """The module of that name, also when it has several."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        near = difflib.get_close_matches(name, inventory.names.values(), n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Choose a layer from the model's layer tree."
        raise UserError(f"The network has no layer '{name}'.", hint) from None


def _with_patch_gradient(candidates: list[Found], score: Tensor) -> Found:
    """The first candidate at whose patch tokens the score has a gradient; raises when there is none."""
    if not candidates:
        raise _no_layer()
    tensors = [found.tensor for found in candidates]
    gradients = torch.autograd.grad(score.sum(), tensors, retain_graph=True, allow_unused=True)
    for found, gradient in zip(candidates, gradients, strict=True):
        if gradient is not None and bool(gradient[:, found.form.prefix :].any()):
            return found
    raise _no_layer()


def _no_layer() -> NotDefinedHere:
    return NotDefinedHere(
        "This network has no feature maps with more than one position on the way to the score.",
        "Choose a method that works on the input, such as integrated gradients.",
    )
