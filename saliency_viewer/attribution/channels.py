"""What single channels of the target layer are worth: as masks of the input, and when they are taken away."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.attribution.needs import ChannelAblation, ChannelScores, LayerEvidence
from saliency_viewer.attribution.substitution import Substitution
from saliency_viewer.attribution.upsampling import upsample

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering


@dataclass(frozen=True, eq=False)
class ChannelEvidence:
    """``scores`` (N, K): f of the input under each channel's mask; ``defined`` (N, K) bool: False for flat channels.

    ``passes`` is how many masked inputs were run for each sample, less than K when channels were clustered.
    """

    scores: Tensor
    defined: Tensor
    passes: int


@dataclass(frozen=True, eq=False)
class Ablated:
    """``before`` (N,): f of the untouched layer, by the same operators; ``without`` (N, K): f without each channel."""

    before: Tensor
    without: Tensor


def channel_scores(need: ChannelScores, run: Gathering) -> ChannelEvidence:
    """One forward pass for each channel that is not flat, or for each cluster of channels."""
    activations = run.find(LayerEvidence()).activations
    low, high = (bound.reshape(*bound.shape, *[1] * (activations.ndim - 2)) for bound in _bounds(activations))
    defined = (high > low).flatten(2).all(2)
    masks = (activations - low) / (high - low).masked_fill(high <= low, 1.0)
    scores = torch.zeros_like(masks.flatten(2)[..., 0])
    most = 0
    for row in range(len(masks)):
        kept = defined[row].nonzero()[:, 0]
        if not len(kept):
            continue
        chosen, owner = masks[row][kept], None
        if 0 < need.clusters < len(kept):
            chosen, owner = _clustered(chosen, need.clusters, run.seed)
        found = _masked_scores(chosen, row, run, need.passes)
        scores[row, kept] = found if owner is None else found[owner]
        most = max(most, len(chosen))
    return ChannelEvidence(scores, defined, most)


def _bounds(activations: Tensor) -> tuple[Tensor, Tensor]:
    flat = activations.flatten(2)
    return flat.amin(2), flat.amax(2)


def _masked_scores(masks: Tensor, row: int, run: Gathering, expected: int) -> Tensor:
    """f(x * upsampled mask) for ``masks`` (K, *layer spatial) in 0..1: (K,); so many were ``expected``."""
    image, size = run.inputs[row : row + 1], run.inputs.shape[2:]
    found = masks.new_zeros(len(masks))
    run.expect(len(masks) - expected)

    def work(first: int, last: int) -> None:
        enlarged = _stretched(upsample(masks[first:last, None], size))
        scores, _ = run.passes.forward(image * enlarged, [row] * (last - first))
        found[first:last] = scores
        run.advance(last - first)

    run.chunks.run(len(masks), work)
    return found


def _stretched(masks: Tensor) -> Tensor:
    """To 0..1 again, since the enlarged mask does not reach its coarse peak."""
    low, high = (
        bound.reshape(-1, *[1] * (masks.ndim - 1)) for bound in (masks.flatten(1).amin(1), masks.flatten(1).amax(1))
    )
    return (masks - low) / (high - low).masked_fill(high <= low, 1.0)


def _clustered(masks: Tensor, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """k-means of channels by the shape of their masks: (clusters, *spatial) mean masks and each channel's cluster."""
    flat = masks.flatten(1).double().cpu().numpy()
    used, places = np.unique(_owners(flat, clusters, seed), return_inverse=True)
    owners = torch.as_tensor(places, device=masks.device)
    sums = masks.new_zeros(len(used), *masks.shape[1:]).index_add_(0, owners, masks)
    sizes = torch.bincount(owners).to(masks).reshape(-1, *[1] * (masks.ndim - 1))
    return sums / sizes, owners


def _owners(flat: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.intp]:
    """Each row's cluster (K,); some numbers may be left out."""
    from scipy.cluster.vq import kmeans2

    from saliency_viewer.runtime.seeds import generator

    shapes, owner = np.unique(flat, axis=0, return_inverse=True)
    # k-means divides by zero when it is to find more clusters than there are shapes, and refuses what is no number.
    if len(shapes) <= clusters or not np.isfinite(flat).all():
        return np.ravel(owner)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it is left out
        found: NDArray[np.intp] = kmeans2(flat, clusters, minit="++", seed=generator(seed, "channel clusters"))[1]
    return found


def channel_ablation(_need: ChannelAblation, run: Gathering) -> Ablated:
    """Scores with each channel of the layer at zero: only the operators behind the layer run again."""
    before, without = [], []
    for row in range(len(run.inputs)):
        substitution = Substitution(run.passes, run.inputs[row : row + 1], row)
        channels = substitution.maps.shape[1]
        run.expect(channels - 1)
        scores = substitution.maps.new_zeros(channels)
        for channel in range(channels):
            scores[channel] = substitution.score_without(channel)
            run.advance(1)
        before.append(substitution.score)
        without.append(scores)
    return Ablated(torch.stack(before), torch.stack(without))
