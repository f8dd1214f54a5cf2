"""The ways in which the engine runs a network: plainly, at a point, along a stream of inputs, and under rules."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.lean import Folds, LeanOperators, Observer
from saliency_viewer.attribution.needs import RulePass
from saliency_viewer.attribution.network_state import Inventory
from saliency_viewer.attribution.operators import Call, OperatorMode
from saliency_viewer.attribution.rules import RULE_SETS
from saliency_viewer.attribution.score import Score, logits_of
from saliency_viewer.attribution.target_layer import LayerWatch
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.memory import is_out_of_memory

_VOLUMES = 5  # axes of a batch of them
_SAME = 1e-4  # of the logits' range: a faster form of the network must give the same scores to this
# Networks that take their maps apart as they lie in memory (x.view(len(x), -1)), and so need them in the usual order.
_ORDERED: weakref.WeakSet[nn.Module] = weakref.WeakSet()

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class RuleResult:
    """Relevance or guided gradient at the input, and how many activations the rule was given to."""

    values: Tensor
    score: Tensor
    logits: Tensor
    intercepted: int
    executed: int
    generalised: str


@dataclass(frozen=True, eq=False)
class Surveyed:
    """One plain pass of the first input: score (1,), logits (1, outputs), and bytes that one row's graph keeps.

    ``plain_bytes`` in the network's own form, ``lean_bytes`` in the leaner one (the same where that was not looked at).
    """

    score: Tensor
    logits: Tensor
    plain_bytes: int
    lean_bytes: int


@dataclass(eq=False)
class Passes:
    """A borrowed network with its score.

    ``check`` raises when the user asked to stop; it is polled at every operator, and with ``polled`` at every
    operator of backward passes too. ``lean`` is the faster form of the network's operators, once it was proved.
    """

    network: nn.Module
    inventory: Inventory
    score: Score
    check: Callable[[], None]
    layer: str | None = None
    polled: bool = False
    lean: LeanOperators | None = field(default=None, init=False)

    def forward(self, inputs: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(score (N,), logits (N, outputs)) without any gradient."""
        logits = self.logits(inputs)
        return self.score.value(self.score.select(logits, rows)), logits

    def gradient(self, inputs: Tensor, rows: Sequence[int]) -> Tensor:
        """df/dx at ``inputs`` (N, C, *spatial), whose row k belongs to sample ``rows[k]``."""
        leaf = inputs.detach().requires_grad_()
        with torch.enable_grad(), self.mode(self.lean or single(inputs)):
            logits = logits_of(self.network(self._copy(leaf)), len(rows))
            score = self.score.value(self.score.select(logits, rows))
        return gradients(score.sum(), [leaf])[0]

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, outputs) without any gradient, in the leaner form where there is one."""
        with torch.no_grad(), self.mode(self.lean):
            return self.quick(lambda given: logits_of(self.network(given), len(inputs)), inputs)

    def quick(self, run: Callable[[Tensor], Found], inputs: Tensor) -> Found:
        """``run`` with a copy of ``inputs`` in the format in which two-dimensional networks are fastest.

        A network that cannot take that gets the plain format, now and from now on; ``run`` is then called again.
        """
        if inputs.ndim == 4 and self.channels_last:
            try:
                return run(inputs.clone(memory_format=torch.channels_last))
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                _ORDERED.add(self.network)
        return run(inputs.clone())

    @property
    def channels_last(self) -> bool:
        """Whether two-dimensional maps may lie in memory with their channels last."""
        return self.network not in _ORDERED

    def ruled(self, inputs: Tensor, rows: Sequence[int], need: RulePass, bounds: tuple[Tensor, Tensor]) -> RuleResult:
        """A backward pass under a rule set; raises :class:`NotDefinedHere` where the rules have no meaning.

        ``bounds`` are the inputs' smallest and largest possible values, which broadcast to them.
        """
        self.refuse_scripts()
        leaf, given = leaf_and_copy(inputs)
        rule_set = RULE_SETS[need.rules](**dict(need.options))
        rule_set.begin(given, *bounds)
        with torch.enable_grad():
            with self.mode(rule_set):
                logits = logits_of(self.network(given), len(rows))
            rule_set.finish(logits)
            selected = self.score.select(logits, rows)
            score = self.score.value(selected)
        # Relevance starts at the raw output with the score's own value or sign, so that the sign is kept.
        starts = {"one": torch.ones_like(score), "score": score.detach()}
        start = starts.get(need.start, torch.full_like(score, self.score.sign))
        end = score if need.start == "one" else selected
        (values,) = gradients(end, [leaf], start)
        return RuleResult(
            values, score.detach(), logits.detach(), rule_set.intercepted, rule_set.executed, rule_set.generalised
        )

    def survey(self, inputs: Tensor, leaner: bool) -> Surveyed:
        """Look at the network with one input (1, C, *spatial): its size and, if wished, whether it has a leaner form.

        That form is kept in ``lean`` when it gives the same logits.
        """
        observer = Observer()
        logits, plain = self._measured(inputs, watch=observer.watch if leaner else None)
        score = self.score.value(self.score.select(logits, [0]))
        if not leaner:
            return Surveyed(score, logits, plain, plain)
        again, lean = self._lean_trial(inputs, observer.folds())
        scale = logits.amax() - logits.amin() if logits.shape[1] > 1 else logits.abs().amax()
        if not bool((again - logits).abs().amax() <= _SAME * scale):
            self.lean = None
        return Surveyed(score, logits, plain, lean)

    def _lean_trial(self, inputs: Tensor, folds: Folds) -> tuple[Tensor, int]:
        """(logits, bytes that the graph keeps) of the leaner form, which ``lean`` now is."""
        self.lean = LeanOperators(folds, self.channels_last)
        try:
            return self._measured(inputs, self.lean)
        except RuntimeError as error:
            if is_out_of_memory(error) or not self.channels_last:
                raise
            _ORDERED.add(self.network)
        return self._lean_trial(inputs, folds)

    def _measured(
        self,
        inputs: Tensor,
        handle: Callable[[Call], Any] | None = None,
        watch: Callable[[Call, Any], None] | None = None,
    ) -> tuple[Tensor, int]:
        """(logits, bytes that the graph keeps) of one forward pass."""
        kept = _KeptBytes([*self.inventory.parameters, *self.network.buffers()])
        leaf = inputs.detach().requires_grad_()
        with torch.enable_grad(), kept, self.mode(handle, watch):
            logits = logits_of(self.network(self._copy(leaf)), len(inputs))
        return logits.detach(), kept.total

    def mode(
        self,
        handle: Callable[[Call], Any] | None = None,
        watch: Callable[[Call, Any], None] | None = None,
    ) -> AbstractContextManager[Any]:
        """Operators under ``handle``, polled for the user's wish to stop."""
        if handle is None and watch is None and not self.polled:
            return nullcontext()
        return OperatorMode(self.check, handle, watch, backward=self.polled)

    def refuse_scripts(self) -> None:
        """Raise :class:`NotDefinedHere` where operators cannot be seen."""
        refusal = self.unseen("Backward rules")
        if refusal is not None:
            raise refusal

    def unseen(self, who: str) -> NotDefinedHere | None:
        """The refusal of a network whose operators ``who`` cannot see, or that says they mean nothing; else None."""
        if self.inventory.hidden:
            cure = "Choose a method that needs the gradient or masked inputs only."
            return NotDefinedHere(f"{self.inventory.hidden}.", cure)
        return scripts_refused(who) if self.inventory.scripted else None

    def watch_layer(self, shape: torch.Size, recorded: bool = False, sparing: bool = False) -> LayerWatch:
        """A watch for the target layer of one pass of inputs of that shape.

        ``recorded``: operators behind a named layer are kept; ``sparing``: large maps are not held.
        """
        if self.inventory.hidden:
            self.refuse_scripts()
        return LayerWatch(self.network, self.inventory, self.layer, shape, recorded, sparing)

    def watch_layer_only(self, shape: torch.Size, recorded: bool) -> LayerWatch:
        """The same for passes of which nothing but the layer and its end is wanted; not ``recorded``: with a graph.

        Where nobody may stop them and no operator is handled (see :func:`single`), they need not be watched before
        the layer.
        """
        sleeps = not self.polled and (recorded or len(shape) < _VOLUMES)
        return LayerWatch(self.network, self.inventory, self.layer, shape, recorded, sparing=recorded, sleeps=sleeps)

    def _copy(self, inputs: Tensor) -> Tensor:
        """A copy for the network, which may overwrite its input in place; in the format that lean operators want."""
        last = self.lean is not None and inputs.ndim == 4 and self.channels_last
        return inputs.clone(memory_format=torch.channels_last if last else torch.preserve_format)


def single(inputs: Tensor) -> LeanOperators | None:
    """How operators are handled in one pass with a graph that has no survey before it.

    In volumes a backward pass without waste is worth it at once; there is nothing to fold yet. On images it saves no
    more than handling every operator costs.
    """
    return LeanOperators(Folds()) if inputs.ndim == _VOLUMES else None


def scripts_refused(who: str) -> NotDefinedHere:
    """The refusal of a network whose operators nobody sees."""
    return NotDefinedHere(
        f"{who} cannot see inside a TorchScript network.",
        "Load the original network with its state dict, or choose a gradient method.",
    )


def leaf_and_copy(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A leaf for the gradient, and a copy for the network, which may overwrite its input in place."""
    leaf = inputs.detach().requires_grad_()
    with torch.enable_grad():
        return leaf, leaf.clone()


def gradients(end: Tensor, inputs: list[Tensor], start: Tensor | None = None) -> list[Tensor]:
    """Gradients with zeros where the score does not depend on an input."""
    if end.grad_fn is None:
        raise UserError(
            "The network's output does not depend on its input in a way that can be differentiated.",
            "Check that its forward pass does not detach tensors or leave torch.",
        )
    try:
        found = torch.autograd.grad(end, inputs, start, allow_unused=True)
    except RuntimeError as error:
        if "checkpoint" not in str(error).lower():
            raise
        raise UserError(
            "The network uses reentrant activation checkpointing, which gives no gradient at the input.",
            "Switch its checkpointing off; it saves memory in training only.",
        ) from error
    return [torch.zeros_like(x) if g is None else g.detach() for x, g in zip(inputs, found, strict=True)]


class _KeptBytes(torch.autograd.graph.saved_tensors_hooks):
    """Adds up the bytes that a graph keeps for its backward pass, each storage once, weights left out."""

    def __init__(self, weights: list[Tensor]) -> None:
        self._sizes: dict[int, int] = {}
        self._weights = {w.untyped_storage().data_ptr() for w in weights if w.layout is torch.strided}
        super().__init__(self._see, lambda tensor: tensor)

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(self._sizes.values())

    def _see(self, tensor: Tensor) -> Tensor:
        if tensor.layout is not torch.strided:
            return tensor.detach()
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an operator that saves its own result would else hold itself for ever
