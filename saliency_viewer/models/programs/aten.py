"""Torch's own operators by the names that program files use. Whatever has another name is not run."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.errors import UserError

# Of the low-level operators, which may trust their arguments, those that exporters write.
_INNER = frozenset(
    {"_unsafe_view", "_to_copy", "_scaled_dot_product_efficient_attention", "_prelu_kernel", "_safe_softmax"}
    | {"_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "_conj"}
    | {"_upsample_lanczos2d_aa"}
    | {"_weight_norm", "_euclidean_dist", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_set_item"}
    | {"_native_multi_head_attention", "_transformer_encoder_layer_fwd", "_log_softmax", "_shape_as_tensor"}
    | {"__range_length", "__derive_index", "_unwrap_optional"}  # of TorchScript's numbers and lists
)
# Operators that touch files or memory that is not theirs, or trust one backend's data.
_HARMFUL = re.compile(
    r"from_file|save|load|set_?|set_data|resize.*|as_strided_.*|record_stream|(new_)?empty_(strided|permuted)|"
    r"(cudnn|miopen|mkldnn|fbgemm|mps|xnnpack)_?.*|.*(quantize|qint|sparse|nested|backward).*|q_.*"
)
_QUANTISED = re.compile(r"quantized?\b|.*quantize.*|q_.*|fbgemm.*")


@dataclass(frozen=True)
class Operator:
    """One of torch's operators, as files name it."""

    overload: torch._ops.OpOverload

    def call(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Call:
        """How it is run with these arguments, by position wherever they can be: rules look for them there."""
        plain = [argument for argument in self.overload._schema.arguments if not argument.kwarg_only]
        found, rest = list(args), dict(kwargs)
        last = max((k for k, argument in enumerate(plain) if argument.name in rest), default=-1)
        for argument in plain[len(found) : last + 1]:
            found.append(rest.pop(argument.name) if argument.name in rest else argument.default_value)
        whole = _WHOLE.get(self.overload.__name__.split(".")[0])
        return whole(*found, **rest) if whole is not None else Call(self.overload, tuple(found), rest)


@dataclass(frozen=True)
class Call:
    """A function with its arguments; ``only_first``: it gives the first of the outputs that the file counts on."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    only_first: bool = False


@functools.cache
def operator(namespace: str, name: str, overload: str) -> Operator:
    """The operator ``namespace::name.overload``. Raises :class:`UserError` for all that is not allowed."""
    if quantised(namespace, name):
        raise UserError(
            "The network is quantised: its weights and activations are rounded to 8 bits, which have no gradient.",
            "Export the network that was there before quantising.",
            f"operator {namespace}::{name}",
        )
    allowed = namespace == "aten" and name.isidentifier() and is_harmless(name)
    packet = getattr(torch.ops.aten, name, None) if allowed else None
    found = getattr(packet, overload or "default", None) if packet is not None else None
    if not isinstance(found, torch._ops.OpOverload) or overload.endswith("out"):
        raise UserError(
            f"The network uses the operator '{namespace}::{name}', which this program does not run.",
            "Save its state dict and use it with its architecture, or export it with this operator replaced.",
        )
    return Operator(found)


def is_harmless(name: str) -> bool:
    """Whether an operator of torch only computes: it touches no files and no memory that is not its own."""
    special = name.startswith("__") and name.endswith("__")
    return name in _WHOLE or name in _INNER or special or not (name.startswith("_") or _HARMFUL.fullmatch(name))


def quantised(namespace: str, name: str) -> bool:
    """Whether an operator belongs to networks that are rounded to 8 bits."""
    return bool(_QUANTISED.fullmatch(namespace) or _QUANTISED.fullmatch(name))


# --- what torch breaks its operators down to, put together again: rules and modules know the whole ones -------------


def _convolution(
    given: Any,
    weight: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *_flags: bool,
) -> Call:
    axes = len(stride) - 1
    if transposed:
        ways = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
        return Call(ways[axes], (given, weight, bias, stride, padding, output_padding, groups, dilation))
    plain = (functional.conv1d, functional.conv2d, functional.conv3d)[axes]
    return Call(plain, (given, weight, bias, stride, padding, dilation, groups))


def _batch_norm(given: Any, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float) -> Call:
    arguments = (given, mean, variance, weight, bias, False, momentum, eps)
    return Call(functional.batch_norm, arguments, only_first=True)


def _layer_norm(given: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Call:
    return Call(functional.layer_norm, (given, shape, weight, bias, eps), only_first=True)


def _group_norm(
    given: Any, weight: Any, bias: Any, _samples: Any, _channels: Any, _positions: Any, groups: int, eps: float
) -> Call:
    return Call(functional.group_norm, (given, groups, weight, bias, eps), only_first=True)


def _attention(
    query: Any,
    key: Any,
    value: Any,
    _dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Any = None,
    scale: float | None = None,
) -> Call:
    arguments = (query, key, value, attn_mask, 0.0, causal)
    return Call(functional.scaled_dot_product_attention, arguments, {"scale": scale}, only_first=True)


def _to(given: Any, *, dtype: torch.dtype | None = None, **_where: Any) -> Call:
    return Call(Tensor.to, (given, dtype)) if dtype is not None else Call(Tensor.clone, (given,))


def _empty(name: str) -> Callable[..., Call]:
    """What was not written yet is zero, not whatever lies in memory."""
    filled = {"empty": torch.ops.aten.zeros.default, "empty_like": torch.ops.aten.zeros_like.default}
    function = filled.get(name, torch.ops.aten.new_zeros.default)

    def whole(*args: Any, **kwargs: Any) -> Call:
        kwargs.pop("memory_format", None)
        return Call(function, args, kwargs)

    return whole


def _first(function: Callable[..., Any]) -> Callable[..., Call]:
    """Pooling that also says where its values came from, which nobody asks."""

    def whole(*args: Any, **kwargs: Any) -> Call:
        return Call(function, args, kwargs, only_first=True)

    return whole


_WHOLE: dict[str, Callable[..., Call]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_softmax": lambda given, dim, _half: Call(torch.softmax, (given, dim)),
    "_to_copy": _to,
    "_adaptive_avg_pool2d": lambda given, size: Call(functional.adaptive_avg_pool2d, (given, size)),
    "_adaptive_avg_pool3d": lambda given, size: Call(functional.adaptive_avg_pool3d, (given, size)),
    **{name: _empty(name) for name in ("empty", "empty_like", "new_empty")},
    "max_pool2d_with_indices": _first(functional.max_pool2d),
    "max_pool3d_with_indices": _first(functional.max_pool3d),
}
