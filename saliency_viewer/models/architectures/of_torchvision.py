"""`torchvision:NAME`: the classifiers of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network of that name, without weights."""
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if request.name not in known:
        raise UserError(f"torchvision has no classifier '{request.name}'.", near_match(request.name, known))
    arguments = dict(request.arguments)
    if request.name in ("inception_v3", "googlenet"):
        # Their own slow initialisation would be overwritten by the weights; auxiliary heads serve training only.
        arguments.setdefault("init_weights", False)
        arguments.setdefault("aux_logits", any("AuxLogits." in key or "aux1." in key for key in request.keys))
    return called(lambda: torchvision.models.get_model(request.name, weights=None, **arguments), request.name)
