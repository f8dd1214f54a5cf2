"""LRP epsilon-z+ as rules of operators.

z+ on convolutions (with a following batch normalisation folded in), epsilon on linear layers, identity on
activations and on lone batch normalisations, the norm rule on sums and average pooling, winner-take-all on max
pooling, and all relevance to the signal, none to the gate, in gated products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.operators import Call, on_tape, store, tensors_in
from saliency_viewer.attribution.rules.base import GATES, RuleSet, is_activation
from saliency_viewer.attribution.rules.convolution import Convolution, normalisation
from saliency_viewer.attribution.rules.tape import fit, joined, passed_on, shared, stabilised
from saliency_viewer.attribution.undefined import NotDefinedHere

# Operators that only move values, and max pooling, whose own gradient is winner-take-all.
_MOVING = frozenset(
    {"cat", "stack", "flatten", "reshape", "view", "permute", "transpose", "t", "contiguous", "squeeze", "unsqueeze"}
    | {"chunk", "split", "tensor_split", "unbind", "getitem", "select", "narrow", "index_select", "expand", "flip"}
    | {"movedim", "moveaxis", "swapaxes", "unflatten", "view_as", "reshape_as", "pad", "clone", "to", "type", "float"}
    | {"double", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "dropout", "dropout1d", "dropout2d", "roll"}
    | {"dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "requires_grad", "detach", "copy"}
    | {"amax", "max"}  # over an axis, as pooling
    | {f"{kind}max_pool{axes}d{end}" for kind in ("", "adaptive_") for axes in "123" for end in ("", "_with_indices")}
)
_AVERAGING = frozenset({"mean", "sum"} | {f"{kind}avg_pool{axes}d" for kind in ("", "adaptive_") for axes in "123"})
_CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
_HINT = "Choose a gradient method such as integrated gradients."


class EpsilonPlus(RuleSet):
    """The composite that Zennit calls EpsilonPlus, for any eager network."""

    def __init__(self) -> None:
        super().__init__()
        # Keyed by identity, with the tensor beside, so that its id stays its own, and its version: an in-place
        # operator in between means that the batch normalisation does not directly follow.
        self._convolutions: dict[int, tuple[Tensor, int, Convolution]] = {}
        self._softmaxes: list[Tensor] = []

    def handle(self, call: Call) -> Any:
        """Run one operator under its rule; refuse operators for which there is none."""
        inputs = list(tensors_in([call.args, call.kwargs]))
        if not any(on_tape(tensor) for tensor in inputs) or call.name in _MOVING:
            self.intercepted += is_activation(call)  # of constants: no relevance ever comes there
            return call.run()
        rule = self._rule(call)
        if rule is None:
            return self._unruled(call)
        with torch.no_grad():
            plain = call.run_on_copy()
        return store(call, rule(call, plain))

    def finish(self, logits: Tensor) -> None:
        """A softmax is passed over at the very end of a network only; elsewhere it is attention."""
        super().finish(logits)
        self._convolutions.clear()
        if any(found.data_ptr() != logits.data_ptr() for found in self._softmaxes):
            raise _refusal("softmax inside the network (attention)")

    def _rule(self, call: Call) -> Callable[[Call, Tensor], Tensor] | None:
        name = call.name
        if is_activation(call) or name in GATES:
            return self._activation
        if name in _CONVOLUTIONS:
            return self._convolution
        if name in _AVERAGING:
            return _norm_of_average
        named: dict[str, Callable[[Call, Tensor], Tensor]] = {
            "linear": _epsilon,
            "batch_norm": self._normalisation,
            "add": _norm_of_sum,
            "sub": _norm_of_sum,
            "rsub": _norm_of_sum,
            "mul": _product,
            "div": _product,
            "neg": _product,
            "softmax": self._softmax,
            "log_softmax": self._softmax,
        }
        return named.get(name)

    def _unruled(self, call: Call) -> Any:
        result = call.run()
        if any(on_tape(tensor) for tensor in tensors_in(result)):
            raise _refusal(call.name)
        return result

    def _activation(self, call: Call, value: Tensor) -> Tensor:
        if is_activation(call):
            self.intercepted += 1
        return passed_on(value, call.input)

    def _softmax(self, call: Call, value: Tensor) -> Tensor:
        result = passed_on(value, call.input)
        self._softmaxes.append(result)
        return result

    def _convolution(self, call: Call, value: Tensor) -> Tensor:
        found = Convolution.of(call)
        if not on_tape(found.inputs) or found.weight.requires_grad:
            raise _refusal("convolutions with computed weights")
        result = found.z_plus(value)
        self._convolutions[id(result)] = (result, result._version, found)
        return result

    def _normalisation(self, call: Call, value: Tensor) -> Tensor:
        scale_and_shift = normalisation(call)
        if scale_and_shift is None:
            raise _refusal("batch normalisation without stored statistics")
        _, version, before = self._convolutions.get(id(call.input), (None, 0, None))
        if before is None or version != call.input._version:
            return passed_on(value, call.input)
        # The folded convolution takes the relevance straight from the normalised values to the convolution's input.
        return before.folded(*scale_and_shift).z_plus(value)


def _refusal(what: str) -> NotDefinedHere:
    return NotDefinedHere(f"Layer-wise relevance is not defined for this network: no rule for {what}.", _HINT)


# The rules below never use ``value`` in the backward pass: a later in-place operator may have overwritten it.
def _epsilon(call: Call, value: Tensor) -> Tensor:
    """Bach et al. 2015, equation 58, for a linear layer with its bias."""
    weight, bias = call.argument(1, "weight"), call.argument(2, "bias")

    def share(relevance: Tensor, inputs: Tensor) -> tuple[Tensor]:
        total = functional.linear(inputs, weight, bias)
        return (inputs * torch.matmul(relevance / stabilised(total), weight),)

    return shared(value, share, call.input)


def _norm_of_average(call: Call, value: Tensor) -> Tensor:
    """In proportion to each value's part of the average."""

    def share(relevance: Tensor, inputs: Tensor) -> tuple[Tensor]:
        with torch.enable_grad():
            leaf = inputs.detach().requires_grad_()
            again = call.function(leaf, *call.args[1:], **_without_input(call))
            (gradient,) = torch.autograd.grad(again, leaf, relevance / stabilised(again.detach()))
        return (inputs * gradient,)

    return shared(value, share, call.input)


def _without_input(call: Call) -> dict[str, Any]:
    return {key: item for key, item in call.kwargs.items() if key not in ("input", "self")}


def _norm_of_sum(call: Call, value: Tensor) -> Tensor:
    """In proportion to each summand. A constant summand takes nothing: it is no part of the image."""
    first, second = call.input, call.argument(1, "other")
    if not (on_tape(first) and on_tape(second)):
        return passed_on(value, _only_signal(first, second, value))
    scale = float(call.kwargs.get("alpha", 1)) * (-1.0 if call.name == "sub" else 1.0)
    # Parts are taken now: unlike most operators a sum keeps nothing, so networks may overwrite its summands.
    with torch.no_grad():
        whole = stabilised(value)
        parts = first / whole, scale * second / whole
    shapes = first.shape, second.shape

    def share(relevance: Tensor) -> tuple[Tensor, ...]:
        return tuple(fit(relevance * part, shape) for part, shape in zip(parts, shapes, strict=True))

    return joined(value, share, first, second)


def _product(call: Call, value: Tensor) -> Tensor:
    """All relevance to the signal: the factor that is not a constant and not broadcast over space."""
    first, second = call.input, call.argument(1, "other")
    if not (on_tape(first) and on_tape(second)):
        return passed_on(value, _only_signal(first, second, value))
    if call.name == "mul" and first.shape == value.shape != second.shape:
        return passed_on(value, first)
    if call.name == "mul" and second.shape == value.shape != first.shape:
        return passed_on(value, second)
    raise _refusal("the product of two feature maps of equal shape")


def _only_signal(first: Any, second: Any, value: Tensor) -> Tensor:
    signal: Tensor = first if on_tape(first) else second
    if signal.shape != value.shape:
        raise _refusal("arithmetic that broadcasts the feature maps over a larger constant")
    return signal
