"""Finding the layer whose maps a class activation method reads."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from saliency_viewer.attribution.attention import Attention
from saliency_viewer.attribution.graph import NodesBehind
from saliency_viewer.attribution.landmarks import Landmark, Lost, awake_after, recall, remember
from saliency_viewer.attribution.layer_forms import TURNING, Form, Forms
from saliency_viewer.attribution.network_state import Inventory
from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.recording import Module, NotReplayable, Recording, Step, Tail
from saliency_viewer.attribution.rules.families import CONVOLUTIONS, RECURRENT
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError

_AT_END = -1  # the place of a named layer: it is what its module gives, whichever operator made it
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

    With ``sleeps`` the watch begins only where a pass over inputs of the same ``shape`` found the layer before; it
    then raises :class:`Lost` when the network went another way.
    """

    def __init__(
        self,
        network: nn.Module,
        inventory: Inventory,
        name: str | None,
        shape: torch.Size,
        recorded: bool = False,
        sparing: bool = False,
        sleeps: bool = False,
    ) -> None:
        self._name = name
        self._recorded = recorded
        self._dimensions = len(shape)
        self._forms = Forms(shape)
        self._attention = Attention()
        self._recording = Recording(recorded, self._dimensions if sparing else 0)
        self._names = inventory.names
        self._chosen = None if name is None else _module(network, inventory, name)
        self._named: Tensor | None = None
        self._latest_module = ""
        self._wakes, self._missed = 0, False
        self._ends: dict[str, list[int]] = {}  # how many operators had run whenever a module ended
        self._network, self._key, self._learns = network, (name, shape, recorded), sleeps
        self._landmark = recall(network, self._key) if sleeps else None
        self._start = None if self._landmark is None else _find(network, self._landmark.start)

    @contextmanager
    def attached(self, mode: AbstractContextManager[Any]) -> Iterator[None]:
        """Run the network under ``mode``, with module names followed, or once the watch wakes."""
        if self._start is not None:
            with awake_after(self._start, mode, self._woken, self._miss):
                yield
        else:
            with self._following(), mode:
                yield

    def _woken(self, module: nn.Module, output: Any) -> Any:
        if module is self._chosen:
            return self._ended(module, str(self._name), output)
        self._recording.restart()
        self._wakes += 1
        return None

    def _miss(self) -> None:
        self._missed = True

    @contextmanager
    def _following(self) -> Iterator[None]:
        """One hook on all modules, since hooking and unhooking hundreds costs as much as some operators.

        Other threads' networks run through it untouched.
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
        self._attention.watch(call, result)
        if name == "layer_norm":
            self._forms.layer_norm(call.argument(1, "normalized_shape", ()), call.input.shape)
        elif name in CONVOLUTIONS:
            self._forms.convolution(result)
        elif name == "linear":
            self._forms.linear(result)
        elif name in TURNING:
            self._forms.turned(call, result)
        elif not self._recorded and isinstance(result, Tensor) and result.ndim != self._dimensions:
            return  # with a graph only maps need to be remembered, and hundreds of operators run
        self._recording.watch(call, result, self._latest_module)

    def find(self, score: Tensor) -> Found:
        """The layer in the graph behind ``score`` (N,); raises :class:`UserError` when there is none."""
        if self._name is not None:
            return self._confirmed(lambda: (_AT_END, self._by_name(in_graph=True)))
        return self._confirmed(lambda: self._in_graph(score))

    def find_recorded(self, end: Tensor) -> Found:
        """The layer among the recorded operators on the way to ``end``.

        Raises :class:`NotReplayable` where only the graph can tell, and :class:`UserError` when there is none.
        """
        if self._name is not None:
            return self._confirmed(lambda: (_AT_END, replace(self._by_name(), tail=self._recording.whole())))
        return self._confirmed(lambda: self._in_recording(end))

    def forget(self) -> None:
        """Hold no tensors any longer."""
        self._recording.forget()

    def _in_graph(self, score: Tensor) -> tuple[int, Found]:
        reached = NodesBehind(score)
        tokens: list[Found] = []
        for position, step in self._recording.reversed():
            if self._attention.at(step):
                continue
            for tensor in tensors_in(step[1]):
                found = self._candidate(step, tensor) if tensor.grad_fn in reached else None
                if found is None:
                    continue
                if found.form.grid is None:
                    if not tokens:
                        return position, found
                    continue  # behind tokens only attentions have tensors of that many axes
                tokens.append(found)
                if len(tokens) == _TOKEN_LAYERS or not found.form.prefix:
                    return position, _with_patch_gradient(tokens, score)
        return 0, _with_patch_gradient(tokens, score)

    def _in_recording(self, end: Tensor) -> tuple[int, Found]:
        for position, step, tensor in self._recording.on_the_way_to(end):
            found = None if self._attention.at(step) or self._recording.fixed(tensor) else self._candidate(step, tensor)
            if found is not None and found.form.grid is not None:
                break
            if found is not None:
                return position, replace(found, tail=self._recording.after(position))
        raise NotReplayable

    def _confirmed(self, search: Callable[[], tuple[int, Found]]) -> Found:
        """What the search finds; after sleep only if it stands where it stood before."""
        if self._landmark is None or self._start is None:
            position, found = search()
            if self._learns and self._forms.plain and found.form.grid is None:
                self._learn(position, found)
            return found
        with suppress(UserError, NotReplayable):
            position, found = search()
            if self._stands_at(position, self._landmark):
                return replace(found, name=self._landmark.name)
        remember(self._network, self._key, None)
        raise Lost

    def _stands_at(self, position: int, landmark: Landmark) -> bool:
        if self._missed or not self._forms.plain:
            return False
        if self._name is not None:
            return True
        place = (self._wakes, position, self._recording.operator(position))
        return place == (1, landmark.position, landmark.operator)

    def _learn(self, position: int, found: Found) -> None:
        """Remember the last module that ended before the layer was made, or made it."""
        if self._name is not None:
            return remember(self._network, self._key, Landmark(self._name, position, "", found.name))
        number = self._recording.number(position)
        before = [(at, name) for name, ends in self._ends.items() if len(ends) == 1 for at in ends if at <= number]
        if before:
            at, start = max(before)
            landmark = Landmark(start, number - at, self._recording.operator(position), found.name)
            remember(self._network, self._key, landmark)
        return None

    def _candidate(self, step: Step, tensor: Tensor) -> Found | None:
        """A step's result as a layer; None for what is no feature map."""
        call, _, where = step
        # Padding only surrounds maps that were seen before, and a recurrent layer's sequences are none.
        form = None if call.name == "pad" or call.name in RECURRENT else self._forms.of(tensor)
        if form is None or (form.grid is not None and call.name != "layer_norm"):
            return None
        label = where if isinstance(where, Module) else f"{where} → {call.name}" if where else call.name
        return Found(tensor, str(label), form)

    def with_tail(self, found: Found) -> Found:
        """The same layer, found through the graph of a recorded pass, with the operators behind it."""
        return replace(found, tail=self._recording.behind(found.tensor))

    def _by_name(self, in_graph: bool = False) -> Found:
        if self._named is None:
            raise UserError(
                f"The layer '{self._name}' did not run, or does not return a single tensor.",
                "Choose a layer inside it, or another one that the prediction goes through.",
            )
        form = self._forms.of(self._named)
        if form is not None and (self._named.requires_grad or not in_graph):
            return Found(self._named, str(self._name), form)
        samples, axes = len(self._named) if self._named.ndim else 0, self._dimensions - 2
        if self._named.ndim == self._dimensions and samples != self._forms.samples:
            raise UserError(
                f"The layer '{self._name}' works on {samples} pieces where the network was given {self._forms.samples} "
                "inputs: it takes them apart.",
                "Choose a layer before or behind that part, or a method that works on the input.",
            )
        raise UserError(
            f"The layer '{self._name}' gives no feature maps with more than one position along {axes} axes.",
            "Choose a convolution or activation layer before the pooling.",
        )

    def _ended(self, module: nn.Module, name: str, output: Any) -> Any:
        self._latest_module = name
        if name:
            # The outermost module that ends with this tensor is the name a user knows: layer4, not layer4.1.relu.
            self._recording.ended(output, name)
            self._ends.setdefault(name, []).append(self._recording.seen)
        if module is not self._chosen or not isinstance(output, Tensor):
            return None
        # A later in-place operator must not change what was captured, so the network goes on with a copy.
        self._named = output
        if self._recorded:
            self._recording.restart()
        return output.clone()


def _module(network: nn.Module, inventory: Inventory, name: str) -> nn.Module:
    """The module of that name; raises :class:`UserError` when there is none."""
    found = _find(network, name)
    if found is None:
        near = difflib.get_close_matches(name, inventory.names.values(), n=3, cutoff=0.4)
        listed = "Choose a layer from the model's layer tree: 'model check PACKAGE --layers' lists it."
        hint = f"Did you mean {' or '.join(near)}?" if near else listed
        raise UserError(f"The network has no layer '{name}'.", hint)
    return found


def _find(network: nn.Module, name: str) -> nn.Module | None:
    """The module of that name, also when it has several."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        return None


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
        "No feature maps with more than one position were found on the way to the score, in the axes of the input.",
        "Choose a method that works on the input, such as integrated gradients.",
    )
