"""The statistics of batch normalisation, found anew for the weights as they are now.

While a network trains they are a running mean over the last hundred or so batches. Of a small data set that is many
epochs: the statistics then belong to weights of long ago, and a network that tells its cases apart well can look
worthless in evaluation mode (Wu and Johnson 2021, "Rethinking batch in batch normalization").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.polling import polled
from saliency_viewer.training.batches import loaded, shuffled
from saliency_viewer.training.inputs import Inputs

if TYPE_CHECKING:
    from torch import nn

_CASES = 512  # enough for a mean and a deviation of each channel


def refresh_statistics(
    network: nn.Module, inputs: Inputs, cases: Sequence[int], batch: int, device: str, context: RunContext
) -> None:
    """Replace the running statistics by plain means over up to 512 of ``cases``, as they are, without augmentation.

    The network is left in evaluation mode. Does nothing to networks that keep no such statistics.
    """
    import torch

    network.eval()
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
    ]
    if not layers:
        return
    usual = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
        layer.train()
    chosen = shuffled(cases, batch, 0, 0)[: max(1, _CASES // batch)]
    try:
        with torch.no_grad():
            for _, values in loaded(inputs, chosen):
                with polled(context):
                    network(values.to(device))
    finally:
        for layer, momentum in zip(layers, usual, strict=True):
            layer.momentum = momentum
            layer.eval()
