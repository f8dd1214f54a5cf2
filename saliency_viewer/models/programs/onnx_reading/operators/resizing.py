"""Enlarging and shrinking maps, in the ways that torch has."""

from __future__ import annotations

from typing import Any

from torch.nn import functional

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_HALF = ("half_pixel", "pytorch_half_pixel")


def _resize(reader: Reader, node: Node) -> Any:
    """To the sizes, or by the factors, of the spatial axes."""
    shape = reader.shape(node[0])
    factors, sizes = _wanted(node, shape)
    # The place of a value follows from the factor as it was written: sizes are rounded.
    exact = all(new == factor * old for new, factor, old in zip(sizes, factors, shape[2:], strict=True))
    wanted = (sizes, None) if exact or _sizes_given(node) else (None, factors)
    way = node.get("mode", "nearest")
    coordinates = node.get("coordinate_transformation_mode", "half_pixel" if node.opset > 10 else "asymmetric")
    aligned = coordinates == "align_corners"
    if way in ("linear", "cubic") and (aligned or coordinates in _HALF) and node.get("antialias", 0) == 0:
        mode = _LINEAR[len(shape) - 2] if way == "linear" else "bicubic"
        even = way == "linear" or node.get("cubic_coeff_a", -0.75) == -0.75
        if even:
            return reader.emit(functional.interpolate, node[0], *wanted, mode, aligned)
    rounding = node.get("nearest_mode", "floor" if node.opset <= 10 else "round_prefer_floor")
    whole = all(float(factor).is_integer() for factor in factors)
    # By whole factors each value is repeated, wherever the centres are thought to be.
    if way == "nearest" and ((coordinates == "asymmetric" and rounding == "floor") or (coordinates in _HALF and whole)):
        return reader.emit(functional.interpolate, node[0], *wanted, "nearest")
    raise UserError(
        f"The ONNX operator '{node.op}' ({way}, {coordinates}) is not supported.",
        "Export the network with a bilinear or nearest resize.",
    )


def _wanted(node: Node, shape: tuple[int, ...]) -> tuple[list[float], list[int]]:
    """(factors, sizes) of the spatial axes."""
    if node.op == "Upsample" or node.opset <= 10:
        given = node.get("scales")
        scales = list(given) if given is not None else node.constant(1).tolist()
    elif _sizes_given(node):
        sizes = [int(size) for size in node.constant(3)]
        axes = node.get("axes") or range(len(shape))
        whole = dict(enumerate(shape)) | dict(zip((axis % len(shape) for axis in axes), sizes, strict=True))
        scales = [whole[axis] / size for axis, size in enumerate(shape)]
    else:
        axes = node.get("axes") or range(len(shape))
        given = dict(zip((axis % len(shape) for axis in axes), node.constant(2).tolist(), strict=True))
        scales = [given.get(axis, 1.0) for axis in range(len(shape))]
    if scales[0] != 1.0 or scales[1] != 1.0:
        raise Unsupported("resizing the batch or the channels")
    return scales[2:], [int(size * scale + 1e-6) for size, scale in zip(shape[2:], scales[2:], strict=True)]


def _sizes_given(node: Node) -> bool:
    return node.opset > 10 and node[3] is not None and node.constant(3).numel() > 0


HANDLERS: dict[str, Handler] = {"Resize": _resize, "Upsample": _resize}
