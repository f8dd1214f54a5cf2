"""Scores of randomly masked inputs, weighted by their masks (RISE: Petsiuk et al. 2018, arXiv 1806.07421)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saliency_viewer.attribution.needs import RandomMasks
from saliency_viewer.attribution.streams import places
from saliency_viewer.attribution.upsampling import upsample
from saliency_viewer.runtime.seeds import derived_seed

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering


@dataclass(frozen=True, eq=False)
class Masked:
    """``mean`` (N, 1, *spatial): of score times mask; ``error`` its standard error, None below two masks."""

    mean: Tensor
    error: Tensor | None


def random_masks(need: RandomMasks, run: Gathering) -> Masked:
    """One pass for each mask, reduced as they run."""
    inputs = run.inputs
    shape = (len(inputs), 1, *inputs.shape[2:])
    total = torch.zeros(shape, dtype=torch.float64, device=inputs.device)
    squares, product = total.clone(), total[0].clone()
    fill = torch.zeros_like(inputs) if need.fill == "zero" else run.baseline

    def work(first: int, last: int) -> None:
        rows, numbers = places(first, last, need.samples)
        masks = torch.stack([_mask(need, run, number) for number in numbers])
        scores, _ = run.passes.forward(torch.lerp(fill[rows], inputs[rows], masks), rows)
        masks = masks.double()
        for row, score, mask in zip(rows, scores.double(), masks, strict=True):
            torch.mul(mask, score, out=product)
            total[row] += product
            squares[row].addcmul_(product, product)
        run.advance(last - first)

    run.chunks.run(len(inputs) * need.samples, work)
    mean = total / need.samples
    if need.samples < 2:
        return Masked(mean.to(inputs.dtype), None)
    variance = (squares / need.samples - mean**2).clamp(min=0) / (need.samples - 1)
    return Masked(mean.to(inputs.dtype), variance.sqrt().to(inputs.dtype))


def _mask(need: RandomMasks, run: Gathering, number: int) -> Tensor:
    """(1, *spatial) in 0..1: coarse random cells, enlarged linearly and shifted by a random part of a cell.

    Every input of a batch gets the same masks.

    An axis with no more positions than cells gets an independent value at each of them.
    """
    size = run.inputs.shape[2:]
    generator = torch.Generator().manual_seed(derived_seed(run.seed, need.stream, number))
    fine = [n <= need.cells for n in size]
    coarse = [n if f else need.cells + 1 for n, f in zip(size, fine, strict=True)]
    kept = (torch.rand(coarse, generator=generator) < need.probability).to(run.inputs.dtype)[None, None]
    widths = [1 if f else -(-n // need.cells) for n, f in zip(size, fine, strict=True)]
    enlarged = [n if f else (need.cells + 1) * w for n, f, w in zip(size, fine, widths, strict=True)]
    whole = upsample(kept, enlarged)[0]
    shifts = [int(torch.randint(width, (), generator=generator)) for width in widths]
    cut = tuple(slice(shift, shift + n) for shift, n in zip(shifts, size, strict=True))
    return whole[(slice(None), *cut)].to(run.inputs.device)
