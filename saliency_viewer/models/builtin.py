"""Small networks of our own, for the demo and for tests: no extra package, no code in the package folder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class SmallCNN(nn.Module):
    """Convolution blocks, a global average and one linear head, in 2 or 3 dimensions.

    Global average pooling before a single linear layer is what the class activation maps' equalities
    need: Grad-CAM before its ReLU, HiResCAM, Respond-CAM and Saliency Tubes then agree up to a factor.

    Parameters
    ----------
    dimensions:
        2 or 3.
    in_channels, num_classes:
        Input (N, in_channels, *spatial), output (N, num_classes) logits.
    width:
        Channels of the first block; each downsampling block doubles them, up to ``4 * width``.
    downsamplings:
        Number of blocks that halve the grid.
    """

    def __init__(
        self, dimensions: int, in_channels: int = 1, num_classes: int = 2, width: int = 16, downsamplings: int = 3
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
        normalisation = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm3d

        def block(inside: int, outside: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                convolution(inside, outside, 3, stride=stride, padding=1, bias=False),
                normalisation(outside),
                nn.ReLU(inplace=True),
            )

        blocks = [block(in_channels, width, 1)]
        channels = width
        for _ in range(downsamplings):
            wider = min(channels * 2, width * 4)
            blocks += [block(channels, wider, 2), block(wider, wider, 1)]
            channels = wider
        self.features = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, *spatial) float to (N, num_classes) logits."""
        features = self.features(inputs)
        logits: torch.Tensor = self.head(features.flatten(2).mean(2))
        return logits


def small_cnn_2d(**arguments: int) -> SmallCNN:
    """:class:`SmallCNN` for (N, C, H, W)."""
    return SmallCNN(2, **arguments)


def small_cnn_3d(**arguments: int) -> SmallCNN:
    """:class:`SmallCNN` for (N, C, D, H, W)."""
    return SmallCNN(3, **arguments)


BUILTIN: dict[str, Callable[..., nn.Module]] = {"small-cnn-2d": small_cnn_2d, "small-cnn-3d": small_cnn_3d}
