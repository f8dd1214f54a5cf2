"""Convolutions and dense layers as torch's own, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Maker, with_activation
from saliency_viewer.models.from_keras.axes import Axes, NotTranslated, array

_CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def same_padding(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Cells before and after each axis, so that ceil(size / stride) positions come out; the odd one goes behind."""
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(sizes, kernel, strides, dilation, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def padded(values: Tensor, sides: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Pad the spatial axes of (N, C, *spatial); nothing happens where there is nothing to do."""
    flat = [cells for side in reversed(list(sides)) for cells in side]
    return nn.functional.pad(values, flat, value=value) if any(flat) else values


class SamePadding(nn.Module):
    """Keras' padding "same", which depends on the size and may be uneven."""

    def __init__(self, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> None:
        super().__init__()
        self.window = (tuple(kernel), tuple(strides), tuple(dilation))

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        return padded(values, same_padding(values.shape[2:], *self.window))


class Padding(nn.Module):
    """A fixed number of zeros on each side of each spatial axis; negative: that many cells are cut off."""

    def __init__(self, sides: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.sides = tuple((int(before), int(after)) for before, after in sides)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        return padded(values, self.sides)


def _convolution(
    layer: Any, kernel: Tensor, bias: Any, groups: int, axes: Axes, plain: bool = False
) -> list[tuple[str, nn.Module]]:
    """Padding where it is needed, and the convolution; ``kernel`` (out, in / groups, *spatial) as torch has it.

    ``plain``: a second convolution of the layer, without strides and dilation.
    """
    axes.require(layer)
    sizes = tuple(kernel.shape[2:])
    strides, dilation = ((1,) * len(sizes),) * 2 if plain else (_each(layer.strides), _each(layer.dilation_rate))
    before: list[tuple[str, nn.Module]] = []
    cells: tuple[int, ...] = (0,) * len(sizes)
    reach = [(k - 1) * d for k, d in zip(sizes, dilation, strict=True)]
    if layer.padding == "same" and not plain:
        if all(s == 1 for s in strides) and all(n % 2 == 0 for n in reach):
            cells = tuple(n // 2 for n in reach)
        else:
            before = [("padding", SamePadding(sizes, strides, dilation))]
    elif layer.padding == "causal":
        before = [("padding", Padding([(n, 0) for n in reach]))]
    module = _CONVOLUTIONS[len(sizes) - 1](
        kernel.shape[1] * groups,
        kernel.shape[0],
        sizes,
        strides,
        cells,
        dilation,
        groups,
        bias is not None,
    )
    _fill(module, kernel, bias)
    return [*before, ("convolution", module)]


def _each(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _fill(module: Any, kernel: Tensor, bias: Any) -> None:
    module.weight.data.copy_(kernel)
    if bias is not None:
        module.bias.data.copy_(array(bias))


def _bias(layer: Any) -> Any:
    return layer.bias if layer.use_bias else None


def _as_torch(kernel: Tensor) -> Tensor:
    """(*spatial, in, out) to (out, in, *spatial)."""
    return kernel.permute(-1, -2, *range(kernel.ndim - 2))


def _depthwise_kernel(kernel: Tensor) -> Tensor:
    """(*spatial, in, multiplier) to (in * multiplier, 1, *spatial)."""
    turned = kernel.permute(-2, -1, *range(kernel.ndim - 2))
    return turned.reshape(-1, 1, *turned.shape[2:])


def _conv(layer: Any, axes: Axes) -> nn.Module:
    parts = _convolution(layer, _as_torch(array(layer.kernel)), _bias(layer), int(layer.groups), axes)
    return with_activation(parts, layer.activation, axes)


def _depthwise(layer: Any, axes: Axes) -> nn.Module:
    kernel = array(layer.kernel)
    parts = _convolution(layer, _depthwise_kernel(kernel), _bias(layer), kernel.shape[-2], axes)
    return with_activation(parts, layer.activation, axes)


def _separable(layer: Any, axes: Axes) -> nn.Module:
    kernel = array(layer.depthwise_kernel)
    depthwise = _convolution(layer, _depthwise_kernel(kernel), None, kernel.shape[-2], axes)
    pointwise = _convolution(layer, _as_torch(array(layer.pointwise_kernel)), _bias(layer), 1, axes, plain=True)
    parts = [(name if name == "padding" else "depthwise", part) for name, part in depthwise]
    return with_activation([*parts, ("pointwise", pointwise[-1][1])], layer.activation, axes)


def _transposed(layer: Any, axes: Axes) -> nn.Module:
    """TensorFlow's transposed convolution: the full one, cut to the size that the padding asks for."""
    axes.require(layer)
    if layer.output_padding is not None:
        raise NotTranslated(f"the output padding of '{layer.name}'")
    kernel = array(layer.kernel)  # (*spatial, out, in)
    weight = kernel.permute(-1, -2, *range(kernel.ndim - 2))
    sizes, strides, dilation = tuple(weight.shape[2:]), _each(layer.strides), _each(layer.dilation_rate)
    module = _TRANSPOSED[len(sizes) - 1](
        weight.shape[0],
        weight.shape[1],
        sizes,
        strides,
        bias=bool(layer.use_bias),
        dilation=dilation,
    )
    _fill(module, weight, _bias(layer))
    if layer.use_bias and any((k - 1) * d + 1 < s for k, d, s in zip(sizes, dilation, strides, strict=True)):
        raise NotTranslated(f"the transposed convolution '{layer.name}' with gaps")
    # Without padding (n - 1) s + reach positions come out; n s are wanted with "same", max(n s, that) without.
    surplus = [(k - 1) * d + 1 - s for k, d, s in zip(sizes, dilation, strides, strict=True)]
    keep = layer.padding == "same"
    cut = [(-(n // 2), -(n - n // 2)) if keep and n > 0 else (0, max(-n, 0)) for n in surplus]
    parts: list[tuple[str, nn.Module]] = [("convolution", module)]
    return with_activation([*parts, ("crop", Padding(cut))] if any(map(any, cut)) else parts, layer.activation, axes)


def _dense(layer: Any, axes: Axes) -> nn.Module:
    """A linear layer; on more axes than two a convolution of single cells, whose maps methods can read."""
    kernel, bias = array(layer.kernel), _bias(layer)
    rank = _rank(layer)
    if rank == 2:
        linear = nn.Linear(kernel.shape[0], kernel.shape[1], bias is not None)
        _fill(linear, kernel.T, bias)
        return with_activation([("linear", linear)], layer.activation, axes)
    if not axes.channels_last or rank > 5:
        raise NotTranslated(f"the dense layer '{layer.name}' on {rank} axes")
    module = _CONVOLUTIONS[rank - 3](kernel.shape[0], kernel.shape[1], 1, bias=bias is not None)
    _fill(module, _as_torch(kernel.reshape(*[1] * (rank - 2), *kernel.shape)), bias)
    return with_activation([("convolution", module)], layer.activation, axes)


def _rank(layer: Any) -> int:
    """Axes of the tensors that a layer was built for."""
    shape = (layer.get_build_config() or {}).get("input_shape")
    if shape is None or isinstance(shape[0], (list, tuple)):
        raise NotTranslated(f"the input of '{layer.name}' is not known")
    return len(shape)


LAYERS: tuple[tuple[str, Maker], ...] = (
    *((f"Conv{axes}D", _conv) for axes in "123"),
    *((f"DepthwiseConv{axes}D", _depthwise) for axes in "12"),
    *((f"SeparableConv{axes}D", _separable) for axes in "12"),
    *((f"Conv{axes}DTranspose", _transposed) for axes in "123"),
    ("Dense", _dense),
)
