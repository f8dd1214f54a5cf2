"""Streams of random and of straight-line inputs whose gradients are reduced as they run.

Memory does not grow with their number, and neither the batch size nor an out-of-memory retry leaves a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.attribution.baselines import make_baseline
from saliency_viewer.attribution.moments import Moments, PairedMoments
from saliency_viewer.attribution.needs import NoisyGradients, NoisyPaths, PathGradients, RandomPathGradients
from saliency_viewer.runtime.seeds import derived_seed

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering

# Inputs (len(rows), C, *spatial) for sample numbers of rows.
PointsOf = Callable[[Sequence[int], Sequence[int]], Tensor]


def legendre(nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions in 0..1 and weights (sum 1) of Gauss-Legendre quadrature."""
    positions, weights = np.polynomial.legendre.leggauss(nodes)
    return (positions + 1) / 2, weights / 2


def path_gradients(need: PathGradients, run: Gathering) -> Tensor:
    """Quadrature of df/dx from the baseline to the inputs, (N, C, *spatial)."""
    inputs = run.inputs
    if need.start == run.baseline_name:  # the run's own baseline, asked for by its name
        whole: Tensor = run.find(PathGradients(need.nodes))
        return whole
    start = run.baseline if need.start == "baseline" else make_baseline(need.start, inputs)
    positions, weights = legendre(need.nodes)
    total = torch.zeros(inputs.shape, dtype=torch.float64, device=inputs.device)

    def work(first: int, last: int) -> None:
        rows, steps = places(first, last, need.nodes)
        points = torch.lerp(start[rows], inputs[rows], column(positions[steps], inputs))
        found = run.passes.gradient(points, rows).double()
        # Nothing below takes memory: a chunk that ran out of it has left no trace.
        for row, step, value in zip(rows, steps, found, strict=True):
            total[row].add_(value, alpha=float(weights[step]))
        run.advance(last - first)

    run.chunks.run(len(inputs) * need.nodes, work)
    return total.to(inputs.dtype)


def noisy_gradients(need: NoisyGradients, run: Gathering) -> Moments:
    """Gradients at noisy inputs."""
    spread = noise_scale(run.inputs, need.sigma)
    return _sampled(
        need.samples,
        run,
        lambda rows, numbers: run.inputs[rows] + column(spread[rows], run.inputs) * unit_noise(need, run, numbers),
    )


def random_path_gradients(need: RandomPathGradients, run: Gathering) -> Moments:
    """Gradients at random points between the baseline and noisy inputs; a pair has u and 1 - u."""
    spread = noise_scale(run.inputs, need.sigma)

    def points(rows: Sequence[int], numbers: Sequence[int]) -> Tensor:
        noise = unit_noise(need, run, numbers) if need.sigma else 0.0
        ends = run.inputs[rows] + column(spread[rows], run.inputs) * noise
        shares = np.asarray([_place(run.seed, need.stream, number) for number in numbers])
        return torch.lerp(run.baseline[rows], ends, column(shares, ends))

    return _sampled(need.samples, run, points)


def noisy_paths(need: NoisyPaths, run: Gathering) -> Moments:
    """Integrated gradients of noisy inputs, each path in a row of its own, from the same baseline."""
    inputs, baseline = run.inputs, run.baseline
    spread = noise_scale(inputs, need.sigma)
    positions, weights = legendre(need.nodes)
    gathered, integral = PairedMoments(inputs, need.samples), torch.zeros_like(inputs[0], dtype=torch.float64)

    def ends(rows: Sequence[int], numbers: Sequence[int]) -> Tensor:
        return inputs[rows] + column(spread[rows], inputs) * unit_noise(need, run, numbers)

    def work(first: int, last: int) -> None:
        paths, steps = places(first, last, need.nodes)
        rows, numbers = [path // need.samples for path in paths], [path % need.samples for path in paths]
        noisy = ends(rows, numbers)
        at = column(positions[steps], inputs)
        found = run.passes.gradient(torch.lerp(baseline[rows], noisy, at), rows).double()
        lengths = (noisy - baseline[rows]).double()
        for k, step in enumerate(steps):
            integral.mul_(step != 0).add_(found[k], alpha=float(weights[step]))
            if step == need.nodes - 1:
                gathered.add(rows[k], numbers[k], lengths[k].mul_(integral))
        run.advance(last - first)

    run.chunks.run(len(inputs) * need.samples * need.nodes, work)
    return gathered.moments(_mean_score(need.samples, run, ends))


def _mean_score(samples: int, run: Gathering, points: PointsOf) -> Tensor:
    total = torch.zeros(len(run.inputs), dtype=torch.float64, device=run.inputs.device)

    def work(first: int, last: int) -> None:
        rows, numbers = places(first, last, samples)
        scores, _ = run.passes.forward(points(rows, numbers), rows)
        total.index_add_(0, torch.as_tensor(rows, device=total.device), scores.double())
        run.advance(last - first)

    run.chunks.run(len(run.inputs) * samples, work)
    return (total / samples).to(run.inputs.dtype)


def _sampled(samples: int, run: Gathering, points: PointsOf) -> Moments:
    """Moments of df/dx over the ``points`` (len(rows), C, *spatial) of sample numbers of rows."""
    gathered = PairedMoments(run.inputs, samples)

    def work(first: int, last: int) -> None:
        rows, numbers = places(first, last, samples)
        found = run.passes.gradient(points(rows, numbers), rows).double()
        for row, number, value in zip(rows, numbers, found, strict=True):
            gathered.add(row, number, value)
        run.advance(last - first)

    run.chunks.run(len(run.inputs) * samples, work)
    return gathered.moments()


def noise_scale(inputs: Tensor, sigma: float) -> Tensor:
    """(N,): the noise's standard deviation, a part of each input's range."""
    return sigma * (inputs.flatten(1).amax(1) - inputs.flatten(1).amin(1))


def unit_noise(
    need: NoisyGradients | NoisyPaths | RandomPathGradients, run: Gathering, numbers: Sequence[int]
) -> Tensor:
    """(len(numbers), C, *spatial) unit noise of samples: both members of a pair share it with opposite signs.

    It is the same for every input: a map must not depend on what else is in its batch.
    """
    made: dict[int, Tensor] = {}
    pairs = [number // 2 for number in numbers]
    for pair in dict.fromkeys(pairs):
        generator = torch.Generator().manual_seed(derived_seed(run.seed, need.stream, pair))
        noise = torch.randn(run.inputs.shape[1:], generator=generator, dtype=torch.float32)
        made[pair] = noise.to(run.inputs)
    return torch.stack([-made[p] if number % 2 else made[p] for p, number in zip(pairs, numbers, strict=True)])


def _place(seed: int, stream: str, number: int) -> float:
    generator = torch.Generator().manual_seed(derived_seed(seed, stream + " place", number // 2))
    place = float(torch.rand((), generator=generator, dtype=torch.float64))
    return 1.0 - place if number % 2 else place


def column(values: Tensor | NDArray[np.float64], like: Tensor) -> Tensor:
    """(N,) as (N, 1, ..., 1) of the type of ``like``."""
    found = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return found.reshape(-1, *[1] * (like.ndim - 1))


def places(first: int, last: int, count: int) -> tuple[list[int], list[int]]:
    """Rows, and numbers below ``count`` within them, of the passes from ``first`` to before ``last``."""
    return [k // count for k in range(first, last)], [k % count for k in range(first, last)]
