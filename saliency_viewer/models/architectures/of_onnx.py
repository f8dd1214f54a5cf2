"""`onnx`: a network in the Open Neural Network Exchange format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.models.architectures.request import Request

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network of the file, with its weights, which may lie in other files of the package."""
    from saliency_viewer.models.programs.finishing import finished
    from saliency_viewer.models.programs.onnx_reading.external import inside_of
    from saliency_viewer.models.programs.onnx_reading.reading import read_onnx

    return finished(*read_onnx(request.content, request.weights, inside_of(request.files), request.shape))
