"""A TorchScript program that could not be read, run as it is."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn


class Scripted(nn.Module):
    """Runs the program, one image at a time: what it decides by looking at pixels is for this image alone.

    Gradients pass, but nobody sees its operators: ``operators_hidden`` tells the engine that rules and layers have no
    meaning here. ``why`` says what could not be read.
    """

    def __init__(self, program: Any, why: str) -> None:
        super().__init__()
        self.program = program
        self.operators_hidden = (
            f"This TorchScript program is run by torch as a whole, since it could not be read ({why})"
        )
        self.notes = (f"{self.operators_hidden}: gradient methods and methods that mask the input can be used.",)

    def forward(self, images: Tensor) -> Any:
        """What the program answers: a tensor, or the first one of several."""
        return torch.cat([_main(answer(self.program, image)) for image in torch.split(images, 1)])


def answer(program: Any, images: Tensor) -> Any:
    """What a TorchScript program returns, without what it and torch have to say to programmers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program(images)


def _main(found: Any) -> Tensor:
    """Tuples and dictionaries have the answer that counts first, before those of auxiliary heads."""
    while not isinstance(found, Tensor):
        found = next(iter(found.values() if isinstance(found, dict) else found))
    return found
