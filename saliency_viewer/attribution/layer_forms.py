"""How feature maps lie in memory: channels first, channels last, or as tokens; and how to make them one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call

TURNING = frozenset({"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"})
_PREFIX = 8  # class, distillation and register tokens come before the patches, and are never many


@dataclass(frozen=True)
class Form:
    """``axes``: where the channels are (1 or -1); ``prefix``: tokens before those of the ``grid``, for token layers."""

    channels_last: bool = False
    prefix: int = 0
    grid: tuple[int, ...] | None = None

    def maps(self, values: Tensor) -> Tensor:
        """(N, K, *layer spatial) of a layer's tensor."""
        if self.grid is not None:
            patches = values[:, self.prefix :].transpose(1, 2)
            return patches.view(*patches.shape[:2], *self.grid)  # splitting an axis never copies
        return values.movedim(-1, 1) if self.channels_last else values


class Forms:
    """Learns from the operators of one pass over inputs (N, C, *spatial) of a ``shape`` what tells the forms apart."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.samples, self._dimensions = shape[0], len(shape)
        self._widths: set[int] = set()
        self._first: set[tuple[int, ...]] = set()  # shapes of maps that are known to have their channels first, or last
        self._last: set[tuple[int, ...]] = set()
        self._embedding: torch.Size | None = None

    @property
    def plain(self) -> bool:
        """Whether nothing was seen that tells forms apart: maps are channels first."""
        return not self._widths and not self._last

    def convolution(self, result: Tensor) -> None:
        """A convolution gave that: the last one before tokens is the embedding of their patches."""
        self._embedding = result.shape
        self._first.add(tuple(result.shape[1:]))

    def layer_norm(self, shape: Sequence[int], given: Sequence[int]) -> None:
        """A layer normalisation over the last axes ran on a ``given`` shape: its single axis is one of channels."""
        if len(shape) == 1:
            self._widths.add(int(shape[0]))
            self._last.add(tuple(given[1:]))

    def linear(self, result: Tensor) -> None:
        """A linear layer gave that: its last axis is one of channels."""
        if result.ndim == self._dimensions:
            self._last.add(tuple(result.shape[1:]))
        elif result.ndim == 3:  # of tokens, which may become maps by a view
            self._widths.add(result.shape[-1])

    def turned(self, call: Call, result: Tensor) -> None:
        """An operator exchanged axes: channels that were the second one may be the last one now."""
        given = call.input
        if not result.ndim == given.ndim == self._dimensions or tuple(given.shape[1:]) in self._last:
            return
        # Axes of unequal sizes tell where each of them goes, however the call names them.
        axes = call.function(torch.empty([*range(2, 2 + given.ndim)], device="meta"), *call.args[1:], **call.options)
        if axes.shape[-1] == 3:
            self._last.add(tuple(result.shape[1:]))

    def of(self, tensor: Tensor) -> Form | None:
        """The form of feature maps with more than one position; None for anything else."""
        if tensor.ndim == 0 or tensor.shape[0] != self.samples:
            return None  # a weight, or the slices of a volume, which a network may take one by one
        if tensor.ndim == self._dimensions:
            return self._dense(tensor)
        if tensor.ndim != 3 or self._embedding is None or len(self._embedding) != self._dimensions:
            return None
        grid = tuple(self._embedding[2:])
        prefix = tensor.shape[1] - math.prod(grid)
        tokens = 0 <= prefix <= _PREFIX and tensor.shape[2] in self._widths
        return Form(prefix=prefix, grid=grid) if tokens else None

    def _dense(self, tensor: Tensor) -> Form | None:
        sides = tuple(tensor.shape[1:])
        last = sides in self._last or (tensor.ndim > 3 and sides not in self._first and self._only_last(tensor.shape))
        spatial = tensor.shape[1:-1] if last else tensor.shape[2:]
        # Pooled features (N, 1, 1, C), as ConvNeXt normalises them, are no map in either form.
        pooled = tensor.ndim > 3 and math.prod(tensor.shape[1:-1]) == 1
        if math.prod(spatial) <= 1 or pooled:
            return None
        return Form(channels_last=last)

    def _only_last(self, shape: Sequence[int]) -> bool:
        """Whether the last axis could be one of channels, and the second could not."""
        return shape[-1] in self._widths and shape[1] not in self._widths
