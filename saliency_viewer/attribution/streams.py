"""Streams of inputs whose gradients are reduced as they run: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from saliency_viewer.attribution.chunks import Chunker
from saliency_viewer.attribution.evidence import Stream
from saliency_viewer.attribution.needs import NoisyGradients, PathGradients
from saliency_viewer.runtime.seeds import derived_seed

# Gradient of f at rows of inputs; row k belongs to sample rows[k].
GradientOf = Callable[[Tensor, Sequence[int]], Tensor]
Advance = Callable[[int], None]


def path_integral(
    need: PathGradients, inputs: Tensor, baseline: Tensor, gradient: GradientOf, chunks: Chunker, advance: Advance
) -> Stream:
    """Gauss-Legendre quadrature of df/dx from ``baseline`` to ``inputs``, both (N, C, *spatial)."""
    nodes, weights = np.polynomial.legendre.leggauss(need.nodes)
    positions, weights = (nodes + 1) / 2, weights / 2
    # Sums in double precision: the order in which chunks arrive then leaves no trace.
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=inputs.device)

    def work(start: int, stop: int) -> None:
        rows = [k // need.nodes for k in range(start, stop)]
        steps = [k % need.nodes for k in range(start, stop)]
        at = _column(positions[steps], inputs)
        points = baseline[rows] + at * (inputs[rows] - baseline[rows])
        weighted = gradient(points, rows).double() * _column(weights[steps], total)
        # Nothing below takes memory: a chunk that ran out of it has left no trace.
        for row, value in zip(rows, weighted, strict=True):
            total[row] += value
        advance(stop - start)

    chunks.run(len(inputs) * need.nodes, work)
    return Stream(total.to(inputs.dtype))


def noisy_mean(
    need: NoisyGradients, inputs: Tensor, seed: int, gradient: GradientOf, chunks: Chunker, advance: Advance
) -> Stream:
    """Mean gradient over noisy inputs in antithetic pairs; an odd last sample stands alone."""
    spread = inputs.flatten(1).amax(1) - inputs.flatten(1).amin(1)
    gathered = _Pairs(inputs, need.samples)

    def work(start: int, stop: int) -> None:
        rows = [k // need.samples for k in range(start, stop)]
        numbers = [k % need.samples for k in range(start, stop)]
        noise = torch.stack(
            [_noise(seed, need, inputs[row], row, number) for row, number in zip(rows, numbers, strict=True)]
        )
        found = gradient(inputs[rows] + _column(spread[rows] * need.sigma, inputs) * noise, rows).double()
        for row, number, value in zip(rows, numbers, found, strict=True):
            gathered.add(row, number, value)
        advance(stop - start)

    chunks.run(len(inputs) * need.samples, work)
    return Stream(gathered.mean().to(inputs.dtype), gathered.standard_error())


def _noise(seed: int, need: NoisyGradients, like: Tensor, row: int, number: int) -> Tensor:
    """Unit noise of a sample: both members of a pair share it with opposite signs."""
    generator = torch.Generator().manual_seed(derived_seed(seed, need.stream, row, number // 2))
    noise = torch.randn(like.shape, generator=generator, dtype=torch.float32).to(like)
    return -noise if number % 2 else noise


def _column(values: Tensor | np.ndarray[tuple[int], np.dtype[np.float64]], like: Tensor) -> Tensor:
    column = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return column.reshape(-1, *[1] * (like.ndim - 1))


class _Pairs:
    """Running sums over pairs: the spread of the pairs' means is what the standard error comes from.

    All memory is taken at the start, so that adding a sample cannot fail halfway.
    """

    def __init__(self, inputs: Tensor, samples: int) -> None:
        self._samples = samples
        self._pairs = samples // 2
        self._middles = torch.zeros(inputs.shape, dtype=torch.float64, device=inputs.device)
        self._squares = torch.zeros_like(self._middles)
        self._single = torch.zeros_like(self._middles) if samples % 2 else None
        self._open = torch.zeros_like(self._middles[0])

    def add(self, row: int, number: int, gradient: Tensor) -> None:
        """Take one sample's float64 gradient and overwrite it; samples of a row come in order."""
        if number == 2 * self._pairs and self._single is not None:
            self._single[row] = gradient
        elif number % 2 == 0:
            self._open.copy_(gradient)
        else:
            middle = gradient.add_(self._open).div_(2)
            self._middles[row] += middle
            self._squares[row].addcmul_(middle, middle)

    def mean(self) -> Tensor:
        """(N, C, *spatial) float64."""
        total = 2 * self._middles
        return (total if self._single is None else total + self._single) / self._samples

    def standard_error(self) -> Tensor | None:
        """(N,): mean over positions of the standard error of the mean; None below two pairs."""
        if self._pairs < 2:
            return None
        variance = (self._squares - self._middles**2 / self._pairs).clamp(min=0) / (self._pairs - 1)
        return (variance / self._pairs).sqrt().flatten(1).mean(1)
