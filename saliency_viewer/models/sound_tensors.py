"""What every tensor of a weights file must be: plain numbers that fit into memory, and numbers at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.memory import require_memory

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 3
_SINGLE = 4  # bytes of a float32


def in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, floating ones as float32; integers stay integers.

    Raises :class:`UserError` for quantised, sparse, complex and empty-shelled tensors, and for more than fits into
    memory.
    """
    for name, tensor in tensors.items():
        _refuse_unusual(name, tensor)
    # A tensor can repeat a few stored numbers without end, until it is copied.
    require_memory(sum(_copied_bytes(tensor) for tensor in tensors.values()), "This weights file")
    return {name: tensor.detach().float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _refuse_unusual(name: str, tensor: Tensor) -> None:
    import torch

    if tensor.is_quantized:
        raise UserError(
            f"The weight '{name}' is quantised to 8 bits, and rounded networks have no gradient.",
            "Use the weights from before quantising.",
        )
    if tensor.is_meta:
        raise UserError(f"The weight '{name}' has a shape but no values.", "Save the network again, after loading it.")
    if tensor.layout is not torch.strided or tensor.is_complex():
        kind = "complex" if tensor.is_complex() else "sparse"
        raise UserError(
            f"The weight '{name}' is {kind}, which is not supported.", "Save it as a dense tensor of real numbers."
        )


def _copied_bytes(tensor: Tensor) -> int:
    """What float32 takes beyond the file's own bytes, and numbers that the file holds once and repeats."""
    repeated = tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
    converted = tensor.is_floating_point() and tensor.element_size() != _SINGLE
    return tensor.numel() * max(_SINGLE, tensor.element_size()) if repeated or converted else 0


def refuse_no_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Raise :class:`UserError` for NaN and infinite values, with the names of the tensors that hold them."""
    wrong = {name: count for name, tensor in tensors.items() if (count := _no_numbers(tensor))}
    if not wrong:
        return
    names = ", ".join(f"'{name}' ({count:,})" for name, count in list(wrong.items())[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise UserError(
        f"Values are not numbers (NaN) or infinite in {len(wrong)} of the {len(tensors)} weights: "
        f"{names}{more}. The training had failed when they were saved, or the file is damaged.",
        "Take an earlier checkpoint of the training.",
    )


def _no_numbers(tensor: Tensor) -> int:
    """How many values are not finite; attention masks, which hold nothing but zeros and infinities, have none."""
    import math

    import torch

    if not tensor.is_floating_point() or not tensor.numel() or math.isfinite(float(tensor.sum())):
        return 0
    count = int((~torch.isfinite(tensor)).sum())
    masks = bool(((tensor == 0) | torch.isinf(tensor)).all())
    return 0 if masks else count
