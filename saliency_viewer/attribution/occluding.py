"""Scores of inputs in which one patch after the other is replaced by the baseline's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import torch
from torch import Tensor

from saliency_viewer.attribution.chunks import Chunker
from saliency_viewer.attribution.evidence import Occluded
from saliency_viewer.attribution.incremental import FEWEST, PatchedNetwork
from saliency_viewer.attribution.needs import OccludedScores
from saliency_viewer.attribution.passes import Passes
from saliency_viewer.attribution.score import logits_of


def patch_count(need: OccludedScores, spatial: Sequence[int]) -> int:
    """Patches that cover ``spatial`` positions."""
    return prod(len(_starts(need, positions)) for positions in spatial)


def occluded_scores(
    need: OccludedScores,
    inputs: Tensor,
    baseline: Tensor,
    passes: Passes,
    chunks: Chunker,
    advance: Callable[[int], None],
) -> Occluded:
    """f(x) - f(x with a patch of the baseline), for inputs and baseline (N, C, *spatial).

    Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2. One row of the network's batch is one patch; where a patch
    reaches only a part of a layer, only that part is computed again (see ``incremental``).
    """
    spatial = tuple(inputs.shape[2:])
    size = tuple(min(need.size, positions) for positions in spatial)
    starts = list(product(*(_starts(need, positions) for positions in spatial)))
    changes = torch.zeros((len(inputs), len(starts)), dtype=torch.float64, device=inputs.device)
    for row in range(len(inputs)):
        before = passes.forward(inputs[row : row + 1], [row])[0].double()
        given = inputs[row : row + 1], baseline[row : row + 1]
        patched = PatchedNetwork(passes.network, *given, size, logits_of, passes.check)
        if len(starts) >= FEWEST and chunks.size > 1 and inputs.device.type == "cpu":
            patched.try_windows([starts[0], starts[len(starts) // 2]])

        def work(
            first: int, stop: int, row: int = row, patched: PatchedNetwork = patched, before: Tensor = before
        ) -> None:
            logits = patched.logits(starts[first:stop])
            score = passes.score.value(passes.score.select(logits, [row] * (stop - first)))
            changes[row, first:stop] = before - score.double()
            advance(stop - first)

        chunks.run(len(starts), work)
    begin = torch.tensor(starts)
    return Occluded(torch.stack([begin, begin + torch.tensor(size)], -1), changes)


def _starts(need: OccludedScores, positions: int) -> list[int]:
    """Where patches begin along an axis; the last is moved back so that it ends with the axis.

    A stride above the size would leave positions that no patch covers, and is cut to the size.
    """
    last = max(positions - need.size, 0)
    return [*range(0, last, min(need.stride, need.size)), last]
