"""Layer-wise relevance as rules of operators: a composite says which rule layers get, the rest is the same for all.

Batch normalisations are folded into the convolution that they directly follow and passed over elsewhere; sums and
average pooling have the norm rule, max pooling takes the winner, and in gated products the signal gets everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape, store, tensors_in
from saliency_viewer.attribution.rules.affine import Affine, Linear, normalisation
from saliency_viewer.attribution.rules.base import RuleSet
from saliency_viewer.attribution.rules.convolution import Convolution
from saliency_viewer.attribution.rules.elementary import average, no_rule, only_signal, total
from saliency_viewer.attribution.rules.facts import Facts
from saliency_viewer.attribution.rules.families import AVERAGING, CONVOLUTIONS, GATES, MOVING, is_activation
from saliency_viewer.attribution.rules.image_trace import ImageTrace
from saliency_viewer.attribution.rules.layer_rules import LayerRule
from saliency_viewer.attribution.rules.signs import NonNegative
from saliency_viewer.attribution.rules.tape import identity

# Those that the papers on these rules have; what is positive in them stands for the input itself.
_RECTIFIERS = frozenset({"relu", "relu6", "hardtanh", "leaky_relu", "clamp", "clamp_min", "clip"})


@dataclass(frozen=True)
class Composite:
    """Which rule each kind of layer gets.

    ``image`` makes the rule of layers fed by the image itself from its smallest and largest possible values.
    ``activation``: relevance passes unchanged, or times the derivative as any gradient.
    """

    convolution: LayerRule
    linear: LayerRule
    image: Callable[[Tensor, Tensor], LayerRule] | None = None
    activation: Literal["identity", "gradient"] = "identity"


@dataclass(frozen=True, eq=False)
class _Ruled:
    """A convolution as it was run, for the batch normalisation that may follow."""

    layer: Affine
    inputs: Tensor
    version: int  # of the inputs
    rule: LayerRule


class Relevance(RuleSet):
    """A composite at work in one forward pass of any eager network."""

    def __init__(self, composite: Composite) -> None:
        super().__init__()
        self._composite = composite
        self._signs = NonNegative()
        self._image = ImageTrace()
        self._convolutions: Facts[_Ruled] = Facts()
        self._softmaxes: list[Tensor] = []
        self.trackers = (self.gates, self._signs, *([self._image] if composite.image else []))

    def begin(self, image: Tensor, low: Tensor, high: Tensor) -> None:
        """Rules at the image ask for the bounds of its values."""
        if self._composite.image is not None:
            self._image.begin(image, low, high)

    def handle(self, call: Call) -> Any:
        """Run one operator under its rule; refuse operators for which there is none."""
        inputs = tensors_in([call.args, call.kwargs])
        if not any(on_tape(tensor) for tensor in inputs) or call.name in MOVING:
            self.intercepted += is_activation(call)  # of constants: no relevance ever comes there
            return call.run()
        rule = self._rule(call)
        return self._unruled(call) if rule is None else rule(call)

    def finish(self, logits: Tensor) -> None:
        """A softmax is passed over at the very end of a network only; elsewhere it is attention."""
        super().finish(logits)
        if any(found.data_ptr() != logits.data_ptr() for found in self._softmaxes):
            raise no_rule("softmax inside the network (attention)")

    def _rule(self, call: Call) -> Callable[[Call], Any] | None:
        if is_activation(call):
            return self._activation
        return self._by_name.get(call.name)

    @cached_property
    def _by_name(self) -> dict[str, Callable[[Call], Any]]:
        return {
            **dict.fromkeys(CONVOLUTIONS, self._convolution),
            **dict.fromkeys(AVERAGING, average),
            **dict.fromkeys(GATES, _passed),
            **dict.fromkeys(("add", "sub", "rsub"), total),
            **dict.fromkeys(("mul", "div", "neg"), self._product),
            **dict.fromkeys(("softmax", "log_softmax"), self._softmax),
            "linear": self._linear,
            "batch_norm": self._normalisation,
        }

    def _unruled(self, call: Call) -> Any:
        result = call.run()
        if any(on_tape(tensor) for tensor in tensors_in(result)):
            raise no_rule(call.name)
        return result

    def _activation(self, call: Call) -> Any:
        self.intercepted += 1
        if call.name not in _RECTIFIERS:
            how = "passed over" if self._composite.activation == "identity" else "by its gradient"
            self.declare(f"{call.name} {how}")
        return _passed(call) if self._composite.activation == "identity" else call.run()

    def _softmax(self, call: Call) -> Tensor:
        result = _passed(call)
        self._softmaxes.append(result)
        return result

    def _product(self, call: Call) -> Tensor:
        if call.name == "div" and on_tape(call.argument(1, "other")):
            raise no_rule("a division by feature maps")
        if not (on_tape(call.input) and on_tape(call.argument(1, "other"))):
            return only_signal(call)
        gated = self.gates.split(call)
        if gated is None:
            raise no_rule("the product of two feature maps of equal shape")
        self.declare("gates take no relevance")
        return identity(call, gated.signal)

    def _linear(self, call: Call) -> Tensor:
        _refuse_computed_weights(call)
        layer = Linear.of(call, bool(self._signs.of(call.input)))
        return self._ruled(call, layer, self._composite.linear)

    def _convolution(self, call: Call) -> Tensor:
        _refuse_computed_weights(call)
        layer = Convolution.of(call, bool(self._signs.of(call.input)))
        return self._ruled(call, layer, self._composite.convolution)

    def _ruled(self, call: Call, layer: Affine, usual: LayerRule) -> Tensor:
        bounds = self._image.of(call.input)
        rule = usual if bounds is None or self._composite.image is None else self._composite.image(*bounds)
        with torch.no_grad():
            value = call.run()
        result = rule.apply(layer, call.input, value)
        if isinstance(layer, Convolution):
            self._convolutions.put(result, _Ruled(layer, call.input, call.input._version, rule))
        return result

    def _normalisation(self, call: Call) -> Tensor:
        scale_and_shift = normalisation(call)
        if scale_and_shift is None:
            raise no_rule("batch normalisation without stored statistics")
        before = self._convolutions.get(call.input)
        if before is None or before.inputs._version != before.version:
            return _passed(call)
        with torch.no_grad():
            value = call.run_on_copy()
            layer = before.layer.folded(*scale_and_shift)
        # The folded convolution takes the relevance straight from the normalised values to the convolution's input.
        return store(call, before.rule.apply(layer, before.inputs, value))


def _passed(call: Call) -> Tensor:
    return identity(call, call.input)


def _refuse_computed_weights(call: Call) -> None:
    weight = call.argument(1, "weight")
    if not on_tape(call.input) or weight.requires_grad:
        raise no_rule(f"{call.name} with computed weights")
