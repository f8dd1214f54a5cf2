"""`keras`: a file of Keras 2 or 3, network and weights in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn

_ARGUMENTS = ("output", "config")


def build(request: Request) -> nn.Module:
    """The network with its weights. ``output`` names the output that counts, ``config`` a file with the description."""
    from saliency_viewer.models.from_keras import keras_network

    for name in request.arguments:
        if name not in _ARGUMENTS:
            raise UserError(f"model.toml: a Keras network has no argument '{name}'.", near_match(name, _ARGUMENTS))
    described = request.arguments.get("config")
    config = request.files.read(str(described)) if described is not None else None
    return keras_network(request.content, request.arguments.get("output"), config)
