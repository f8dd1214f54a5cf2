"""`torchvision:NAME`: the classifiers of torchvision, with two arguments of our own: ``in_channels`` and ``head``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.alterations import with_channels, with_heads
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn

# Keys of the heads that help in training only.
AUXILIARY = {"inception_v3": "AuxLogits.", "googlenet": "aux1."}
_OWN = ("in_channels", "head")


def build(request: Request) -> nn.Module:
    """The network of that name, without weights.

    ``in_channels`` replaces the first convolution, ``head`` (see :func:`with_heads`) what it names.
    """
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if request.name not in known:
        raise UserError(f"torchvision has no classifier '{request.name}'.", near_match(request.name, known))
    arguments = dict(request.arguments)
    channels, heads = (arguments.pop(name, None) for name in _OWN)
    if request.name in AUXILIARY:
        # Their own slow initialisation would be overwritten by the weights; auxiliary heads serve training only.
        arguments.setdefault("init_weights", False)
        arguments.setdefault("aux_logits", any(AUXILIARY[request.name] in key for key in request.keys))

    def made(**given: Any) -> nn.Module:
        network = torchvision.models.get_model(request.name, weights=None, **given)
        if channels is not None:
            network = with_channels(network, channels)
        return network if heads is None else with_heads(network, heads)

    return called(made, request.name, arguments, _OWN)
