"""How far a sliding kernel carries a change: from input windows to output windows and back to the input they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saliency_viewer.attribution.incremental.windows import Size, Start


@dataclass(frozen=True)
class Reach:
    """A kernel's geometry along each axis; ``before`` is the padding in front of the first position."""

    kernel: Size
    stride: Size
    before: Size
    dilation: Size

    def output_size(self, size: Size, grid: Size) -> Size:
        """The most output positions that ``size`` changed inputs can reach, at most the output's ``grid``."""
        return tuple(
            min((n - 1 + span) // s + 1, whole)
            for n, span, s, whole in zip(size, self.spans, self.stride, grid, strict=True)
        )

    def output_start(self, start: Start, size: Size, grid: Size) -> Start:
        """Where a window of ``size`` outputs (as of :meth:`output_size`) lies for inputs changed from ``start`` on."""
        return tuple(
            max(0, min(-((span - before - first) // s), whole - n))
            for first, span, before, s, n, whole in zip(
                start, self.spans, self.before, self.stride, size, grid, strict=True
            )
        )

    def input_start(self, start: Start) -> Start:
        """First input that the outputs from ``start`` on read; negative inside the padding."""
        return tuple(first * s - before for first, s, before in zip(start, self.stride, self.before, strict=True))

    def input_size(self, size: Size) -> Size:
        """Inputs that ``size`` outputs read."""
        return tuple((n - 1) * s + span + 1 for n, s, span in zip(size, self.stride, self.spans, strict=True))

    @property
    def spans(self) -> Size:
        """Distance between a kernel's first and last position."""
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))


def each(value: Any, axes: int) -> Size:
    """An operator's setting for each axis, however it was given."""
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes
