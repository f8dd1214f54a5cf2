"""A TorchScript program that could not be read, run as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Scripted(nn.Module):
    """Runs the program; one image at a time where it was traced for one.

    Gradients pass, but nobody sees its operators: rules and class activation maps are not defined for it.
    """

    def __init__(self, program: Any, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.program = program
        self._alone = not _takes_two(program, shape)

    def forward(self, images: Tensor) -> Any:
        """What the program answers."""
        if not self._alone or len(images) == 1:
            return self.program(images)
        return torch.cat([self.program(image) for image in torch.split(images, 1)])


def _takes_two(program: Any, shape: tuple[int, ...]) -> bool:
    """Whether two images give two answers, each its own."""
    sample = torch.randn((2, *shape[1:]), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            together, alone = program(sample.clone()), program(sample[1:].clone())
        except RuntimeError:
            return False
    if not isinstance(together, Tensor) or not isinstance(alone, Tensor):
        return True
    return together.shape[:1] == (2,) and torch.allclose(together[1:], alone, rtol=1e-4, atol=1e-5)
