"""How much faster occlusion runs by windows than by whole inputs, and how far its scores are from theirs.

``python benchmarks/occlusion.py [network ...]``: for each network, batches of patches (15, stride 8) from all over the
image, each computed both ways in turn; the ratio is that of the medians. Random weights: time does not depend on them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from saliency_viewer.attribution.incremental import PatchedNetwork
from saliency_viewer.attribution.score import logits_of

PATCHES = 64
SIZE, STRIDE = 15, 8


def monai_densenet() -> nn.Module:
    """MONAI's three-dimensional DenseNet-121; MONAI takes seconds to import."""
    from monai.networks.nets import DenseNet121

    return DenseNet121(spatial_dims=3, in_channels=1, out_channels=3)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "densenet121": (models.densenet121, (1, 3, 224, 224)),
    "resnet50": (models.resnet50, (1, 3, 224, 224)),
    "vgg16": (models.vgg16, (1, 3, 224, 224)),
    "efficientnet_b0": (models.efficientnet_b0, (1, 3, 224, 224)),
    "mobilenet_v2": (models.mobilenet_v2, (1, 3, 224, 224)),
    "inception_v3": (lambda: models.inception_v3(init_weights=False), (1, 3, 299, 299)),
    "monai densenet121 3d": (monai_densenet, (1, 1, 64, 64, 64)),
}


def calibrated(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Batch statistics of one noisy batch, so that the input matters in the logits."""
    for module in network.train().modules():
        if isinstance(module, nn.Dropout):
            module.eval()
        elif isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.randn(4, *shape[1:]))
    return network.eval()


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """(seconds, result) of one call."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def measure(name: str, rows: int) -> str:
    """One line: medians of both forms for batches of ``rows`` patches, their ratio, and the largest difference."""
    torch.manual_seed(0)
    build, shape = NETWORKS[name]
    network, sample = calibrated(build(), shape), torch.randn(shape)

    def whole(rows: Tensor) -> Tensor:
        with torch.no_grad():
            return logits_of(network(rows), len(rows))

    axis = [*range(0, shape[-1] - SIZE, STRIDE), shape[-1] - SIZE]
    starts: list[Any] = list(product(axis, repeat=len(shape) - 2))
    box = (SIZE,) * (len(shape) - 2)
    patched = PatchedNetwork(network, sample, torch.zeros(shape), box, lambda: None, whole)
    setup, used = timed(lambda: torch.tensor(patched.try_windows([starts[0], starts[len(starts) // 2]])))
    plain_times, window_times, difference = [], [], 0.0
    batches = PATCHES // rows
    for number in range(batches):
        first = number * (len(starts) - rows) // max(batches - 1, 1)
        batch = starts[first : first + rows]
        seconds, plain = timed(lambda batch=batch: patched.plain(batch))
        plain_times.append(seconds)
        seconds, found = timed(lambda batch=batch: patched.logits(batch))
        window_times.append(seconds)
        difference = max(difference, float((plain - found).abs().max() / (plain.max() - plain.min())))
    plain_time, window_time = statistics.median(plain_times), statistics.median(window_times)
    return (
        f"{name}, {rows} patches: whole {plain_time:.3f} s, windows {window_time:.3f} s, "
        f"ratio {plain_time / window_time:.2f}, setup {setup:.2f} s, windows used {bool(used)}, "
        f"part of the elements {patched.part:.2f}, largest difference {difference:.1e} of the logits' range"
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NETWORKS:
        for count in (4, 8):
            print(measure(chosen, count), flush=True)
