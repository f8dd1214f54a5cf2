"""The operators that windows pass through, by name; before any other operator they become whole layers."""

from __future__ import annotations

from saliency_viewer.attribution.incremental.local import channelwise, joining, normalisation, padding, pointwise
from saliency_viewer.attribution.incremental.sliding import average_pooling, convolution, max_pooling
from saliency_viewer.attribution.incremental.window_call import Handler

_RECTIFIERS = ("relu", "relu6", "hardtanh", "leaky_relu", "threshold", "clamp", "clamp_min", "clamp_max", "abs")
_SMOOTH = ("elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "softplus", "softsign", "logsigmoid")
_SQUASHING = ("hardsigmoid", "sigmoid", "tanh")
_FUNCTIONS = ("neg", "exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "pow", "clone")
_BINARY = ("add", "sub", "rsub", "mul", "div", "rdiv", "maximum", "minimum")

HANDLERS: dict[str, Handler] = {
    **{f"conv{axes}d": convolution for axes in "123"},
    **{f"max_pool{axes}d": max_pooling for axes in "123"},
    **{f"avg_pool{axes}d": average_pooling for axes in "123"},
    **dict.fromkeys(_RECTIFIERS + _SMOOTH + _SQUASHING + _FUNCTIONS + _BINARY, pointwise),
    "batch_norm": normalisation,
    "prelu": channelwise,
    "cat": joining,
    "pad": padding,
}
