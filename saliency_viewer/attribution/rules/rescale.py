"""DeepLIFT's rescale rule (Shrikumar et al. 2017, arXiv 1704.02685, section 3.5.2) at operator level.

The network runs at the baseline first, which leaves the inputs of every operator that is not linear; then at the
input, where each such operator gets the multiplier delta-out / delta-in as its backward.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.operators import Call, on_tape, tensors_in
from saliency_viewer.attribution.rules.affine import normalisation
from saliency_viewer.attribution.rules.base import RuleSet
from saliency_viewer.attribution.rules.families import AVERAGING, CONVOLUTIONS, GATES, MOVING, POOLING, is_activation
from saliency_viewer.attribution.rules.tape import fit, joined
from saliency_viewer.attribution.undefined import NotDefinedHere

SMALL = 1e-7  # a difference below this is no denominator: the derivative is the multiplier

# Functions of one tensor, position by position, from which networks write activations by hand.
_ELEMENTWISE = frozenset(
    {"exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "abs", "erf", "sin", "cos", "reciprocal", "clamp"}
    | {"clamp_min", "clamp_max", "clip"}
)
_TRANSPOSED = frozenset(f"conv_transpose{axes}d" for axes in "123")
_WEIGHTED = CONVOLUTIONS | _TRANSPOSED | {"linear"}
_LINEAR = _WEIGHTED | AVERAGING | {"batch_norm", "add", "sub", "rsub", "neg", "interpolate", "upsample"}
_PRODUCTS = frozenset({"mul", "div"})
_MAX_POOLS = {f"{kind}max_pool{axes}d" for kind in ("", "adaptive_") for axes in "123"}


def _kind(call: Call) -> str:
    """How an operator is treated: linear, elementwise, product, maximum, or unknown."""
    if call.name.removesuffix("_with_indices") in _MAX_POOLS:
        return "maximum"
    if is_activation(call) or call.name in GATES or call.name in _ELEMENTWISE:
        return "elementwise"
    if call.name in _PRODUCTS:
        return "product"
    if call.name == "pow":
        return "elementwise" if not on_tape(call.argument(1, "exponent")) else "unknown"
    return "linear" if call.name in _LINEAR or call.name in MOVING - POOLING else "unknown"


class Reference:
    """Handles the pass at the baseline: keeps copies of the inputs of operators that are not linear."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, tuple[Any, ...]]] = []

    def __call__(self, call: Call) -> Any:
        """Run one operator."""
        kind = _kind(call)
        if kind in ("elementwise", "maximum"):
            # Copies, since later in-place operators may overwrite both.
            self._kept.append((_signature(call), (call.input.clone(),)))
        elif kind == "product":
            factors = (call.input, call.argument(1, "other"))
            self._kept.append((_signature(call), tuple(f.clone() if isinstance(f, Tensor) else f for f in factors)))
        elif call.name in _WEIGHTED:
            self._kept.append((_signature(call), ()))
        return call.run()

    def replay(self) -> Replay:
        """Gives the kept inputs back in the order in which they came."""
        return Replay(self._kept)


def _signature(call: Call) -> str:
    """What must be the same in both passes: the operator, and the layer whose weights it uses."""
    weight = call.argument(1, "weight") if call.name in _WEIGHTED else None
    return f"{call.name} {id(weight)}" if isinstance(weight, torch.nn.Parameter) else call.name


class Replay:
    """The operators of the baseline's pass, one after another."""

    def __init__(self, kept: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        self._waiting = deque(kept)

    def take(self, call: Call) -> tuple[Any, ...]:
        """What was kept of this operator; raises :class:`NotDefinedHere` where another one ran at the baseline."""
        signature, kept = self._waiting.popleft() if self._waiting else ("", ())
        if signature != _signature(call):
            raise _other_way()
        return kept

    def finish(self) -> None:
        """Raise :class:`NotDefinedHere` where the baseline's pass went on."""
        if self._waiting:
            raise _other_way()


class Rescale(RuleSet):
    """Handles the pass at the input."""

    def __init__(self, reference: Replay) -> None:
        super().__init__()
        self._reference = reference

    def finish(self, logits: Tensor) -> None:
        """Refuse what can only be judged after the forward pass."""
        super().finish(logits)
        self._reference.finish()

    def handle(self, call: Call) -> Any:
        """Run one operator with its multiplier as backward; refuse operators for which there is none."""
        kind = _kind(call)
        paired = kind in ("elementwise", "product", "maximum") or call.name in _WEIGHTED
        before = self._reference.take(call) if paired else ()
        self.intercepted += is_activation(call)
        if not any(on_tape(tensor) for tensor in tensors_in([call.args, call.kwargs])):
            return call.run()
        if kind == "unknown":
            return self._unknown(call)
        if kind == "linear":
            return self._linear(call)
        if kind == "product" and call.name == "mul" and on_tape(call.input) and on_tape(call.argument(1, "other")):
            self.declare("products share their change half and half")
        rule = {"elementwise": _elementwise, "product": _product, "maximum": _maximum}[kind]
        return rule(call, before)

    def _linear(self, call: Call) -> Any:
        if call.name in _WEIGHTED and on_tape(call.argument(1, "weight")):
            raise _refusal("weights that are computed from the image")
        if call.name == "batch_norm" and normalisation(call) is None:
            raise _refusal("batch normalisation without stored statistics")
        return call.run()

    def _unknown(self, call: Call) -> Any:
        result = call.run()
        if any(on_tape(tensor) for tensor in tensors_in(result)):
            raise _refusal(call.name)
        return result


def _refusal(what: str) -> NotDefinedHere:
    return NotDefinedHere(
        f"DeepLIFT is not defined for this network: it has no rule for {what}.",
        "Choose integrated gradients, which share the difference from the same baseline.",
    )


def _other_way() -> NotDefinedHere:
    return _refusal("a way through its operators that depends on the image")


def _elementwise(call: Call, before: tuple[Any, ...]) -> Tensor:
    inputs, (start,) = call.input, before
    with torch.no_grad():
        value = call.run_on_copy()
        # The copy of the baseline's values is ours alone: it is written over, since fresh memory costs time.
        multiplier = _applied(call, start)
        torch.sub(value, multiplier, out=multiplier)
        difference = torch.sub(inputs, start, out=start)
        multiplier.div_(difference)
        small = difference.abs_() < SMALL
        if bool(small.any()):
            multiplier = torch.where(small, _derivative(call, inputs, value), multiplier)
    return joined(call, value, lambda relevance: (relevance * multiplier,), inputs)


def _applied(call: Call, inputs: Tensor) -> Tensor:
    """The operator on other inputs, which stay as they are."""
    result: Tensor = call.function(inputs.clone() if call.in_place else inputs, *call.args[1:], **call.options)
    return result


def _derivative(call: Call, inputs: Tensor, value: Tensor) -> Tensor:
    if call.name == "relu":
        return value > 0
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(_applied(call, leaf.clone()).sum(), leaf)
    return slope


def _product(call: Call, before: tuple[Any, ...]) -> Any:
    """A product's change, exactly: uv - u0 v0 = (u - u0) (v + v0) / 2 + (v - v0) (u + u0) / 2."""
    first, second = call.input, call.argument(1, "other")
    if not (on_tape(first) and on_tape(second)):
        if call.name == "div" and on_tape(second):
            raise _refusal("a constant divided by feature maps")
        constant, known = (second, before[1]) if on_tape(first) else (first, before[0])
        if isinstance(constant, Tensor) and not torch.equal(constant, known):
            raise _refusal("a factor that changes with the image outside the gradient")
        return call.run()
    if call.name != "mul":
        raise _refusal("the quotient of two feature maps")
    with torch.no_grad():
        value = call.run_on_copy()
        halves = (second + before[1]) / 2, (first + before[0]) / 2
    shapes = first.shape, second.shape

    def share(relevance: Tensor) -> tuple[Tensor, ...]:
        return tuple(fit(relevance * half, shape) for half, shape in zip(halves, shapes, strict=True))

    return joined(call, value, share, first, second)


def _maximum(call: Call, before: tuple[Any, ...]) -> Any:
    """The cross-maximum: what rises to the larger maximum is the input's winner's, the rest the baseline's winner's.

    Windows that overlap add up.
    """
    inputs, (start,) = call.input, before
    if call.kwargs.get("return_indices") or call.name.endswith("_with_indices"):
        raise _refusal("max pooling that hands out its indices")
    if inputs.ndim != 2 + int(call.name.partition("pool")[2][0]):
        raise _refusal("max pooling of images without a batch axis")
    with torch.no_grad():
        value, winners = _pooled(call, inputs)
        value0, winners0 = _pooled(call, start)
        both = torch.maximum(value, value0)
        difference = (inputs - start).flatten(2)
        rise, fall = both - value0, value - both
        factors = [
            _divided(rise, difference, winners, unmoved=(value - value0).abs() < SMALL),
            _divided(fall, difference, winners0, unmoved=torch.zeros_like(value, dtype=torch.bool)),
        ]
    shape = inputs.shape

    def share(relevance: Tensor) -> tuple[Tensor]:
        flat = relevance.flatten(2)
        total = flat.new_zeros(*shape[:2], difference.shape[2])
        for factor, places in zip(factors, (winners, winners0), strict=True):
            total.scatter_add_(2, places.flatten(2), flat * factor)
        return (total.reshape(shape),)

    return joined(call, value, share, inputs)


def _divided(part: Tensor, difference: Tensor, winners: Tensor, unmoved: Tensor) -> Tensor:
    """``part`` over the difference at the winners, (N, K, windows); where that is none: 1 if nothing moved, else 0."""
    below = difference.gather(2, winners.flatten(2))
    quotient = part.flatten(2) / below
    return torch.where(below.abs() < SMALL, unmoved.flatten(2).to(part.dtype), quotient)


def _pooled(call: Call, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(maxima, flat positions of the winners)."""
    if call.name.startswith("adaptive"):
        found = getattr(functional, call.name)(inputs, call.argument(1, "output_size"), return_indices=True)
    else:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = {name: call.argument(k + 1, name) for k, name in enumerate(names)}
        chosen = {name: item for name, item in given.items() if item is not None and item != []}
        found = getattr(functional, call.name)(inputs, return_indices=True, **chosen)
    return found[0], found[1]
