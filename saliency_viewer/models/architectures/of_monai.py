"""`monai:NAME`: the networks of ``monai.networks.nets``."""

from __future__ import annotations

import inspect
import types
import warnings
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network of that name, without weights."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI's import warns about its own optional parts
            from monai.networks import nets
    except ImportError as error:
        raise UserError("This model needs MONAI.", "Install it: pip install monai", str(error)) from error
    known = [name for name in dir(nets) if callable(getattr(nets, name)) and not name.startswith("_")]
    found = getattr(nets, request.name, None) if request.name in known else None
    is_network = isinstance(found, type) and issubclass(found, torch.nn.Module)
    if found is None or not (is_network or isinstance(found, types.FunctionType)):
        raise UserError(f"MONAI has no network '{request.name}'.", near_match(request.name, known))
    # Some of them fetch weights unless they are told not to.
    fetches = "pretrained" in inspect.signature(found).parameters
    arguments = {**request.arguments, **({"pretrained": False} if fetches else {})}
    return called(found, request.name, arguments)
