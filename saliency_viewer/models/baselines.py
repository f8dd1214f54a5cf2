"""Inputs without evidence, from which path methods start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.prepared import Prepared

if TYPE_CHECKING:
    from torch import Tensor

_BLUR_SHARE = 0.1  # of the shortest spatial axis: the Gaussian's standard deviation
_BLUR_REACH = 3.0  # standard deviations after which the kernel is cut


def _minimum(prepared: Prepared) -> Tensor:
    """What the darkest representable image becomes: air in a CT, black in a photograph."""
    return _of_channels(prepared.darkest, prepared.inputs).expand_as(prepared.inputs).clone()


def value_range(prepared: Prepared) -> tuple[Tensor, Tensor]:
    """(N, C, 1, ...) smallest and largest possible value of ``prepared.inputs``, also where a step inverts.

    Padding, and the overshoot of a cubic resize, may lie outside what the encoding can hold; they count.
    """
    import torch

    inputs, axes = prepared.inputs, tuple(range(2, prepared.inputs.ndim))
    ends = [_of_channels(end, inputs) for end in (prepared.darkest, prepared.brightest)]
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    return torch.minimum(low, inputs.amin(axes, keepdim=True)), torch.maximum(high, inputs.amax(axes, keepdim=True))


def _of_channels(values: NDArray[np.float32], inputs: Tensor) -> Tensor:
    """(N, C) as (N, C, 1, ...) beside ``inputs``."""
    import torch

    one_each = torch.tensor(values, dtype=inputs.dtype, device=inputs.device)
    return one_each.reshape(*values.shape, *[1] * (inputs.ndim - 2))


def _zero(prepared: Prepared) -> Tensor:
    import torch

    return torch.zeros_like(prepared.inputs)


def _mean(prepared: Prepared) -> Tensor:
    """Every sample's own mean for each channel."""
    inputs = prepared.inputs
    return inputs.mean(dim=tuple(range(2, inputs.ndim)), keepdim=True).expand_as(inputs).clone()


def _blur(prepared: Prepared) -> Tensor:
    """A Gaussian blur whose standard deviation is a tenth of the shortest axis; the border value is repeated."""
    import torch

    blurred = prepared.inputs
    sigma = max(1.0, _BLUR_SHARE * min(blurred.shape[2:]))
    reach = int(_BLUR_REACH * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=blurred.dtype, device=blurred.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in range(2, blurred.ndim):
        lines = blurred.movedim(axis, -1)
        flat = lines.reshape(-1, 1, lines.shape[-1])
        padded = torch.nn.functional.pad(flat, (reach, reach), mode="replicate")
        smooth = torch.nn.functional.conv1d(padded, kernel.reshape(1, 1, -1))
        blurred = smooth.reshape(lines.shape).movedim(-1, axis)
    return blurred.contiguous()


BASELINES: tuple[tuple[str, Callable[[Prepared], Tensor]], ...] = (
    ("minimum", _minimum),
    ("zero", _zero),
    ("blur", _blur),
    ("mean", _mean),
)


def make_baseline(name: str, prepared: Prepared) -> Tensor:
    """The baseline of that name, shaped like ``prepared.inputs``. Raises :class:`UserError` when there is none."""
    for known, make in BASELINES:
        if known == name:
            return make(prepared)
    raise UserError(f"There is no baseline '{name}'.", near_match(name, [known for known, _ in BASELINES]))
