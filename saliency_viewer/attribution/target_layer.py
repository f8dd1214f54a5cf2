"""Finding the layer whose maps a class activation method reads."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.layer_forms import Form, Forms
from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.recording import NotReplayable, Recording, Tail
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError

_REMEMBERED = 64  # maps; the last on the way to the score is never further from the end of a classifier
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
    """Remembers the tensors that may be the target layer during one forward pass.

    With a name, that module's output counts (its last call). Without, the last maps with more than one position on
    the way to the score, whether a module, a function or an in-place operator made them. Of token layers only layer
    normalisations count, the last one at whose patches the score has a gradient: behind the last attention a class
    token is alone.
    """

    def __init__(self, network: nn.Module, name: str | None, input_dimensions: int, recorded: bool = False) -> None:
        self._network = network
        self._name = name
        self._forms = Forms(input_dimensions)
        self._seen: deque[tuple[Tensor, str, Form]] = deque(maxlen=_REMEMBERED)
        self._named: Tensor | None = None
        self._latest_module = ""
        self._recording = Recording() if recorded else None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Follow module names while the network runs; leaves no hook behind."""
        handles = [module.register_forward_hook(self._hook(name)) for name, module in self._modules()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def watch(self, call: Call, result: Any) -> None:
        """See one operator's result. Padding only surrounds maps that were seen before."""
        if call.name == "layer_norm":
            self._forms.layer_norm(call.argument(1, "normalized_shape", ()))
        if self._recording is not None:
            self._recording.watch(call, result)
        if call.name == "pad":
            return
        for tensor in (result,) if isinstance(result, Tensor) else tensors_in(result):
            form = self._forms.of(tensor)
            if form is not None and (form.grid is None or call.name == "layer_norm"):
                self._seen.append((tensor, self._label(call.name), form))

    def find(self, score: Tensor) -> Found:
        """The layer in the graph behind ``score`` (N,); raises :class:`UserError` when there is none."""
        if self._name is not None:
            return self._by_name(in_graph=True)
        reached = nodes_behind(score)
        tokens: list[Found] = []
        for tensor, label, form in reversed(self._seen):
            if tensor.grad_fn not in reached:
                continue
            if form.grid is None:
                break
            tokens.append(Found(tensor, label, form))
            if len(tokens) == _TOKEN_LAYERS or not form.prefix:
                break
        else:
            if not tokens:
                raise _no_layer()
        if tokens:
            return _with_patch_gradient(tokens, score)
        return Found(tensor, label, form)

    def find_recorded(self, end: Tensor) -> Found:
        """The layer among the recorded operators on the way to ``end``.

        Raises :class:`NotReplayable` where only the graph can tell, and :class:`UserError` when there is none.
        """
        if self._recording is None:
            raise NotReplayable
        if self._name is not None:
            named = self._by_name()
            return Found(named.tensor, named.name, named.form, self._recording.whole())
        seen = {id(tensor): (label, form) for tensor, label, form in self._seen}
        for position, tensor in self._recording.on_the_way_to(end):
            if id(tensor) in seen:
                label, form = seen[id(tensor)]
                if form.grid is not None:
                    break
                return Found(tensor, label, form, self._recording.after(position))
        raise NotReplayable

    def with_tail(self, found: Found) -> Found:
        """The same layer, found through the graph of a recorded pass, with the operators behind it."""
        if self._recording is None:
            raise NotReplayable
        return replace(found, tail=self._recording.behind(found.tensor))

    def _by_name(self, in_graph: bool = False) -> Found:
        form = None if self._named is None else self._forms.of(self._named)
        if self._named is None or form is None or (in_graph and not self._named.requires_grad):
            raise UserError(
                f"The layer '{self._name}' gives no feature maps with more than one position.",
                "Choose a convolution or activation layer before the pooling.",
            )
        return Found(self._named, str(self._name), form)

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        if self._name is None:
            yield from ((name, module) for name, module in self._network.named_modules() if name)
            return
        modules = dict(self._network.named_modules())
        if self._name not in modules:
            near = difflib.get_close_matches(self._name, modules, n=3, cutoff=0.4)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Choose a layer from the model's layer tree."
            raise UserError(f"The network has no layer '{self._name}'.", hint)
        yield self._name, modules[self._name]

    def _hook(self, name: str) -> Any:
        def remember(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            self._latest_module = name
            if self._seen and self._seen[-1][0] is output:
                # The outermost module that ends with this tensor is the name a user knows: layer4, not layer4.1.relu.
                self._seen[-1] = (output, name, self._seen[-1][2])
            if name != self._name or not isinstance(output, Tensor):
                return None
            # A later in-place operator must not change what was captured, so the network goes on with a copy.
            self._named = output
            if self._recording is not None:
                self._recording.restart()
            return output.clone()

        return remember

    def _label(self, operator: str) -> str:
        return f"{self._latest_module} → {operator}" if self._latest_module else operator


def _with_patch_gradient(candidates: list[Found], score: Tensor) -> Found:
    """The first candidate at whose patch tokens the score has a gradient."""
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
