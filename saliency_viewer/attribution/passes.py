"""The ways in which the engine runs a network: at a point, along a stream of inputs, and under rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.head import HeadWatch
from saliency_viewer.attribution.needs import RulePass
from saliency_viewer.attribution.operators import Call, OperatorMode
from saliency_viewer.attribution.rules import RULE_SETS
from saliency_viewer.attribution.score import Score, logits_of
from saliency_viewer.attribution.target_layer import LayerWatch
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError


@dataclass(frozen=True, eq=False)
class PointResult:
    """What one forward and at most one backward pass gave for some rows."""

    score: Tensor
    logits: Tensor
    gradient: Tensor | None = None
    activations: Tensor | None = None
    layer_gradient: Tensor | None = None
    layer_name: str = ""
    head: Tensor | None = None
    layer_refused: UserError | None = None
    head_refused: UserError | None = None


@dataclass(frozen=True, eq=False)
class RuleResult:
    """Relevance or guided gradient at the input, and how many activations the rule was given to."""

    values: Tensor
    score: Tensor
    logits: Tensor
    intercepted: int
    executed: int


@dataclass(frozen=True, eq=False)
class Passes:
    """A borrowed network with its score.

    ``check`` raises when the user asked to stop; it is polled at every operator, and with ``polled`` at every
    operator of backward passes too.
    """

    network: nn.Module
    score: Score
    check: Callable[[], None]
    layer: str | None = None
    polled: bool = False

    def forward(self, inputs: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(score (N,), logits (N, outputs)) without any gradient."""
        with torch.no_grad(), OperatorMode(self.check):
            # A copy, as everywhere: networks may overwrite their input, and the caller's must stay.
            logits = logits_of(self.network(inputs.clone()), len(rows))
        return self.score.value(self.score.select(logits, rows)), logits

    def gradient(self, inputs: Tensor, rows: Sequence[int]) -> Tensor:
        """df/dx at ``inputs`` (N, C, *spatial), whose row k belongs to sample ``rows[k]``."""
        leaf, given = _leaf(inputs)
        with torch.enable_grad(), OperatorMode(self.check, backward=self.polled):
            logits = logits_of(self.network(given), len(rows))
            score = self.score.value(self.score.select(logits, rows))
        return _gradients(score.sum(), [leaf])[0]

    def point(self, inputs: Tensor, rows: Sequence[int], *, gradient: bool, layer: bool, head: bool) -> PointResult:
        """One forward pass, and one backward pass that goes only as far as needed."""
        leaf, given = _leaf(inputs)
        layers = LayerWatch(self.network, self.layer, inputs.ndim)
        heads = HeadWatch()

        def watch(call: Call, result: Any) -> None:
            if layer:
                layers.watch(call, result)
            if head:
                heads.watch(call, result)

        mode = OperatorMode(self.check, watch=watch if layer or head else None, backward=self.polled)
        if layer:
            with layers.attached(), torch.enable_grad(), mode:
                logits = logits_of(self.network(given), len(rows))
        else:
            with torch.enable_grad(), mode:
                logits = logits_of(self.network(given), len(rows))
        score = self.score.value(self.score.select(logits, rows))
        return self._backward(
            score, logits, leaf if gradient else None, layers if layer else None, heads if head else None
        )

    def _backward(
        self,
        score: Tensor,
        logits: Tensor,
        leaf: Tensor | None,
        layers: LayerWatch | None,
        heads: HeadWatch | None,
    ) -> PointResult:
        activations, name, layer_refused = _found_layer(layers, score)
        asked = [tensor for tensor in (leaf, activations) if tensor is not None]
        found = _gradients(score.sum(), asked) if asked else []
        weights, head_refused = _found_head(heads, logits, activations, self.score.log_odds, self.layer is not None)
        return PointResult(
            score.detach(),
            logits.detach(),
            gradient=found[0] if leaf is not None else None,
            activations=None if activations is None else activations.detach(),
            layer_gradient=found[-1] if activations is not None else None,
            layer_name=name,
            head=weights,
            layer_refused=layer_refused,
            head_refused=head_refused,
        )

    def ruled(self, inputs: Tensor, rows: Sequence[int], need: RulePass, bounds: tuple[Tensor, Tensor]) -> RuleResult:
        """A backward pass under a rule set; raises :class:`NotDefinedHere` where the rules have no meaning.

        ``bounds`` are the inputs' smallest and largest possible values, which broadcast to them.
        """
        if any(isinstance(module, torch.jit.ScriptModule) for module in self.network.modules()):
            raise NotDefinedHere(
                "Backward rules cannot see inside a TorchScript network.",
                "Load the original network with its state dict, or choose a gradient method.",
            )
        leaf, given = _leaf(inputs)
        rule_set = RULE_SETS[need.rules](**dict(need.options))
        rule_set.begin(given, *bounds)
        with torch.enable_grad():
            with OperatorMode(self.check, handle=rule_set, backward=self.polled):
                logits = logits_of(self.network(given), len(rows))
            rule_set.finish(logits)
            selected = self.score.select(logits, rows)
            score = self.score.value(selected)
        # Relevance starts at the raw output with the score's own value or sign, so that the sign is kept.
        starts = {"one": torch.ones_like(score), "score": score.detach()}
        start = starts.get(need.start, torch.full_like(score, self.score.sign))
        end = score if need.start == "one" else selected
        (values,) = _gradients(end, [leaf], start)
        return RuleResult(values, score.detach(), logits.detach(), rule_set.intercepted, rule_set.executed)


def _leaf(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A leaf for the gradient, and a copy for the network, which may overwrite its input in place."""
    leaf = inputs.detach().requires_grad_()
    with torch.enable_grad():
        return leaf, leaf.clone()


def _gradients(end: Tensor, inputs: list[Tensor], start: Tensor | None = None) -> list[Tensor]:
    """Gradients with zeros where the score does not depend on an input."""
    if end.grad_fn is None:
        raise UserError(
            "The network's output does not depend on its input in a way that can be differentiated.",
            "Check that its forward pass does not detach tensors or leave torch.",
        )
    found = torch.autograd.grad(end, inputs, start, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g.detach() for x, g in zip(inputs, found, strict=True)]


# A refused layer or head must not cost the other methods the evidence of the same pass.
def _found_layer(layers: LayerWatch | None, score: Tensor) -> tuple[Tensor | None, str, UserError | None]:
    if layers is None:
        return None, "", None
    try:
        return *layers.find(score), None
    except UserError as error:
        return None, "", error


def _found_head(
    heads: HeadWatch | None, logits: Tensor, activations: Tensor | None, log_odds: bool, chosen: bool
) -> tuple[Tensor | None, UserError | None]:
    if heads is None or activations is None:
        return None, None
    if log_odds:
        refusal = "Saliency Tubes is not defined for a network that ends in probabilities."
        return None, NotDefinedHere(refusal, "Use Grad-CAM, or a package whose network returns logits.")
    try:
        return heads.weights(logits, activations, chosen), None
    except UserError as error:
        return None, error
