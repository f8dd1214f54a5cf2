"""How far a sliding kernel carries a change: from input windows to output windows and back to the input they need."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.attribution.incremental.windows import Size, Start


@dataclass(frozen=True)
class Reach:
    """A kernel's geometry along each axis; ``before`` is the padding in front of the first position."""

    kernel: Size
    stride: Size
    before: Size
    dilation: Size

    def outputs(self, starts: tuple[Start, ...], size: Size, grid: Size) -> tuple[tuple[Start, ...], Size]:
        """The output windows that inputs changed in windows of ``size`` can reach, inside the output's ``grid``.

        All have one size, that of the largest; smaller ones, at the border, hold some unchanged positions.
        """
        columns, sizes = [], []
        for axis, whole in enumerate(grid):
            span, before, stride = self.spans[axis], self.before[axis], self.stride[axis]
            firsts = [max(0, -((span - before - start[axis]) // stride)) for start in starts]
            lasts = [min(whole - 1, (start[axis] + size[axis] - 1 + before) // stride) for start in starts]
            length = max(1, *(last - first + 1 for first, last in zip(firsts, lasts, strict=True)))
            sizes.append(length)
            columns.append([min(first, whole - length) for first in firsts])
        return tuple(zip(*columns, strict=True)), tuple(sizes)

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
