"""Names of operators that every rule set treats alike."""

from __future__ import annotations

# Max pooling, whose own gradient is winner-take-all.
POOLING = frozenset(
    {"amax", "max"}  # over an axis, as pooling
    | {f"{kind}max_pool{axes}d{end}" for kind in ("", "adaptive_") for axes in "123" for end in ("", "_with_indices")}
)
# Operators that only move values, and pooling.
MOVING = POOLING | frozenset(
    {"cat", "stack", "flatten", "reshape", "view", "permute", "transpose", "t", "contiguous", "squeeze", "unsqueeze"}
    | {"chunk", "split", "tensor_split", "unbind", "getitem", "select", "narrow", "index_select", "expand", "flip"}
    | {"movedim", "moveaxis", "swapaxes", "unflatten", "view_as", "reshape_as", "pad", "clone", "to", "type", "float"}
    | {"double", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "dropout", "dropout1d", "dropout2d", "roll"}
    | {"dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "requires_grad", "detach", "copy"}
)
AVERAGING = frozenset({"mean", "sum"} | {f"{kind}avg_pool{axes}d" for kind in ("", "adaptive_") for axes in "123"})
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
