"""`exported`: a program of ``torch.export`` (.pt2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.models.architectures.request import Request

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network of the program, with its weights."""
    from saliency_viewer.models.programs.exported.reading import read_exported
    from saliency_viewer.models.programs.finishing import finished

    return finished(*read_exported(request.content, request.shape))
