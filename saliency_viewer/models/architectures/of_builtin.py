"""`builtin:NAME`: small networks of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network of that name, without weights."""
    from saliency_viewer.models.builtin import BUILTIN

    if request.name not in BUILTIN:
        raise UserError(f"There is no built-in network '{request.name}'.", near_match(request.name, BUILTIN))
    return called(BUILTIN[request.name], request.name, request.arguments)
