"""Scores of inputs in which one patch after the other is replaced by the baseline's values."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saliency_viewer.attribution.evidence import Occluded
from saliency_viewer.attribution.incremental import FEWEST, PatchedNetwork
from saliency_viewer.attribution.needs import OccludedScores

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering


def occluded_scores(need: OccludedScores, run: Gathering) -> Occluded:
    """f(x) - f(x with a patch of the baseline), for each input (C, *spatial) and its baseline.

    Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2. One row of the network's batch is one patch; where a patch
    reaches only a part of a layer, only that part is computed again (see ``incremental``).
    """
    inputs, baseline, passes = run.inputs, run.baseline, run.passes
    spatial = tuple(inputs.shape[2:])
    size = tuple(min(need.size, positions) for positions in spatial)
    starts = list(product(*(_starts(need, positions) for positions in spatial)))
    changes = torch.zeros((len(inputs), len(starts)), dtype=torch.float64, device=inputs.device)
    run.expect((len(starts) - need.passes) * len(inputs))
    for row in range(len(inputs)):
        sample, other = inputs[row : row + 1], baseline[row : row + 1]
        # A patch on the background, whose values are the baseline's already, changes nothing and needs no pass.
        numbers = [number for number, start in enumerate(starts) if _differ(sample, other, start, size)]
        run.advance(len(starts) - len(numbers))
        patched = PatchedNetwork(passes.network, sample, other, size, passes.check, passes.logits)
        # Windows take many small steps, which suits a CPU; the trial needs room for two rows.
        if len(numbers) >= FEWEST and run.chunks.size > 1 and inputs.device.type == "cpu":
            patched.try_windows([starts[numbers[0]], starts[numbers[len(numbers) // 2]]])
        before = passes.score.value(passes.score.select(patched.untouched(), [row])).double()

        def work(
            first: int, stop: int, row: int = row, numbers: list[int] = numbers, patched: PatchedNetwork = patched,
            before: Tensor = before,
        ) -> None:  # fmt: skip
            logits = patched.logits([starts[number] for number in numbers[first:stop]])
            score = passes.score.value(passes.score.select(logits, [row] * (stop - first)))
            changes[row, numbers[first:stop]] = before - score.double()
            run.advance(stop - first)

        run.chunks.run(len(numbers), work)
    begin = torch.tensor(starts)
    return Occluded(torch.stack([begin, begin + torch.tensor(size)], -1), changes)


def _differ(sample: Tensor, baseline: Tensor, start: tuple[int, ...], size: tuple[int, ...]) -> bool:
    box: tuple[Any, ...] = (..., *(slice(first, first + length) for first, length in zip(start, size, strict=True)))
    return not torch.equal(sample[box], baseline[box])


def _starts(need: OccludedScores, positions: int) -> list[int]:
    """Where patches begin along an axis; the last is moved back so that it ends with the axis.

    A stride above the size would leave positions that no patch covers, and is cut to the size.
    """
    last = max(positions - need.size, 0)
    return [*range(0, last, min(need.stride, need.size)), last]
