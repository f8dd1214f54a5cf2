"""Integrals of the gradient along paths that are no straight lines: Gaussian blurs, and the guided path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.attribution.needs import BlurPath, GuidedPath
from saliency_viewer.attribution.streams import legendre

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering

_REACH = 4.0  # standard deviations at which the blur's kernel ends
_STEP = 1e-3  # part of sigma over which the blur's derivative is taken


@dataclass(frozen=True, eq=False)
class PathIntegral:
    """``values`` (N, C, *spatial): the attributions; ``start_score`` (N,): f where the path begins."""

    values: Tensor
    start_score: Tensor


def blur_path(need: BlurPath, run: Gathering) -> PathIntegral:
    """Blur integrated gradients (Xu et al. 2020, arXiv 2004.03383, equation 5).

    The path goes from the most blurred image to the image itself; f(end) - f(start) is the expected sum.
    """
    inputs = run.inputs
    positions, weights = legendre(need.nodes)
    sigmas = [float(need.sigma * (1 - t)) for t in positions]
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=inputs.device)

    def work(first: int, last: int) -> None:
        rows, steps = zip(*(divmod(k, need.nodes) for k in range(first, last)), strict=True)
        pairs = [
            _blurred_with_slope(inputs[row], sigmas[step], need.border) for row, step in zip(rows, steps, strict=True)
        ]
        found = run.passes.gradient(torch.stack([at for at, _ in pairs]), rows).double()
        slopes = torch.stack([slope for _, slope in pairs]).double()
        for row, step, value in zip(rows, steps, found.mul_(slopes), strict=True):
            total[row].add_(value, alpha=-float(need.sigma * weights[step]))  # towards smaller sigmas
        run.advance(last - first)

    run.chunks.run(len(inputs) * need.nodes, work)
    start = torch.stack([_blurred(x, need.sigma, need.border) for x in inputs])
    return PathIntegral(total.to(inputs.dtype), run.scores(start))


def _blurred_with_slope(image: Tensor, sigma: float, border: str) -> tuple[Tensor, Tensor]:
    """An image (C, *spatial) blurred by ``sigma`` positions, and the derivative of that with respect to sigma."""
    step = _STEP * sigma
    low, high = (_blurred(image.double(), sigma + side * step, border) for side in (-1, 1))
    return _blurred(image, sigma, border), ((high - low) / (2 * step)).to(image.dtype)


def _blurred(image: Tensor, sigma: float, border: str) -> Tensor:
    """Gaussian blur along every spatial axis, as one matrix for each."""
    for axis in range(1, image.ndim):
        matrix = torch.as_tensor(_blur_matrix(image.shape[axis], sigma, border)).to(image)
        image = torch.tensordot(image, matrix, dims=([axis], [1])).movedim(-1, axis)
    return image.contiguous()


def _blur_matrix(size: int, sigma: float, border: str) -> NDArray[np.float64]:
    """(size, size): each row holds the sampled Gaussian's weights, of sum 1 with what lies outside the image."""
    reach = int(_REACH * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((size, size))
    for row in range(size):
        columns = row + offsets
        inside = (columns >= 0) & (columns < size)
        matrix[row, columns[inside]] = kernel[inside]
        if border == "nearest":
            matrix[row, 0] += kernel[columns < 0].sum()
            matrix[row, -1] += kernel[columns >= size].sum()
    return matrix


def guided_path(need: GuidedPath, run: Gathering) -> Tensor:
    """Guided integrated gradients (Kapishnikov et al. 2021, arXiv 2106.09788, algorithm 1), (N, C, *spatial).

    Every step needs the gradient where the last one ended, so only the samples of a batch run side by side.
    """
    values = torch.zeros_like(run.inputs, dtype=torch.float64)

    def work(first: int, last: int) -> None:
        walkers = [_Walker(run.baseline[row], run.inputs[row], need) for row in range(first, last)]
        for step in range(need.steps):
            points = torch.stack([walker.point for walker in walkers])
            found = run.passes.gradient(points, range(first, last))
            for walker, gradient in zip(walkers, found, strict=True):
                walker.go(gradient, step)
            run.advance(last - first)
        values[first:last] = torch.stack([walker.attribution for walker in walkers])

    run.chunks.run(len(run.inputs), work)
    return values.to(run.inputs.dtype)


class _Walker:
    """One sample on its way from the baseline to the input, both (C, *spatial)."""

    def __init__(self, start: Tensor, end: Tensor, need: GuidedPath) -> None:
        self._start, self._end, self._need = start.double(), end.double(), need
        self._at = self._start.clone()
        self._length = float((self._end - self._start).abs().sum())
        self._dtype = start.dtype
        self.attribution = torch.zeros_like(self._at)

    @property
    def point(self) -> Tensor:
        """Where the next gradient is wanted."""
        return self._at.to(self._dtype)

    def go(self, gradient: Tensor, step: int) -> None:
        """Move on until the remaining way is what the straight line would have left after this step."""
        slope, part = gradient.double(), (step + 1) / self._need.steps
        left_behind = self._between(max(part - self._need.distance, 0.0))
        farthest = self._between(min(part + self._need.distance, 1.0))
        before = self._at
        self._at = torch.where(self._progress() < max(part - self._need.distance, 0.0), left_behind, before)
        goal = self._length * (1 - part)
        while (excess := self._remaining() - goal) > 1e-9 * max(self._length, 1e-300):
            movable = self._at != farthest
            if not bool(movable.any()):
                break
            sizes = slope.abs().masked_fill(~movable, torch.inf)
            chosen = movable & (sizes <= _low_quantile(sizes.flatten(), self._need.fraction))
            gain = float((farthest - self._at).abs()[chosen].sum())
            if gain == 0:  # a gradient without finite values ranks nothing; the attribution below shows it
                break
            share = min(1.0, excess / gain)
            moved = farthest if share == 1.0 else torch.lerp(self._at, farthest, share)
            self._at = torch.where(chosen, moved, self._at)
            if share < 1.0:
                break
        self.attribution += (self._at - before) * slope

    def _between(self, part: float) -> Tensor:
        return torch.lerp(self._start, self._end, part)

    def _progress(self) -> Tensor:
        """How far each position is, 0..1; positions without a way to go count as arrived."""
        way = self._end - self._start
        return torch.where(way == 0, 1.0, (self._at - self._start) / way.masked_fill(way == 0, 1.0))

    def _remaining(self) -> float:
        return float((self._end - self._at).abs().sum())


def _low_quantile(values: Tensor, fraction: float) -> Tensor:
    """The value that ``fraction`` of ``values`` (n,) do not exceed."""
    return values.kthvalue(int(fraction * (len(values) - 1)) + 1).values
