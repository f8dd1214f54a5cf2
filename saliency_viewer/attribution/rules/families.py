"""Families of operators that several rules treat alike, under the names calls carry."""

from __future__ import annotations

from saliency_viewer.attribution.operators import Call

# Elementwise non-linearities; gates are counted apart.
ACTIVATIONS = frozenset(
    {"relu", "relu6", "hardtanh", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "silu", "gelu", "mish"}
    | {"hardswish", "softplus", "tanh", "hardshrink", "softshrink", "tanhshrink", "threshold", "softsign", "logsigmoid"}
)
GATES = frozenset({"sigmoid", "hardsigmoid"})
# Max pooling, whose own gradient is winner-take-all; amax and max over an axis are that too.
POOLING = frozenset(
    {"amax", "max"}
    | {f"{kind}max_pool{axes}d{end}" for kind in ("", "adaptive_") for axes in "123" for end in ("", "_with_indices")}
)
# Operators that only move values, and pooling.
MOVING = POOLING | frozenset(
    {"cat", "stack", "flatten", "reshape", "view", "permute", "transpose", "t", "contiguous", "squeeze", "unsqueeze"}
    | {"chunk", "split", "tensor_split", "unbind", "getitem", "select", "narrow", "index_select", "expand", "flip"}
    | {"expand_as", "repeat", "repeat_interleave", "tile", "movedim", "moveaxis", "swapaxes", "swapdims", "unflatten"}
    | {"ravel", "view_as", "reshape_as", "pad", "clone", "to", "type", "type_as", "float", "cpu", "cuda", "roll"}
    | {"double", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "dropout", "dropout1d", "dropout2d"}
    | {"dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "requires_grad", "detach", "copy"}
)
AVERAGING = frozenset({"mean", "sum"} | {f"{kind}avg_pool{axes}d" for kind in ("", "adaptive_") for axes in "123"})
SUMS = frozenset({"add", "sub", "rsub"})
PRODUCTS = frozenset({"mul", "div", "neg"})
# Whole layers in one operator, with their activations inside.
RECURRENT = frozenset(f"{kind}{end}" for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu") for end in ("", "_cell"))
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})


def is_activation(call: Call) -> bool:
    """Whether a call is an elementwise activation, clamping at zero included."""
    return call.name in ACTIVATIONS or clamps_at_zero(call)


def clamps_at_zero(call: Call) -> bool:
    """``clamp(min=0)`` is a ReLU by another name."""
    if call.name == "clamp_min":
        return bool(call.argument(1, "min") == 0)
    if call.name in ("clamp", "clip"):
        low = call.argument(1, "min")
        return isinstance(low, (int, float)) and low == 0
    return False
