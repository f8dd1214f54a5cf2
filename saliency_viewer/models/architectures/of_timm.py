"""`timm:NAME`: the classifiers of timm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request, called
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn

# By these timm would take weights from elsewhere than the package.
_FETCHING = ("pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")


def build(request: Request) -> nn.Module:
    """The network of that name, without weights."""
    try:
        import timm
    except ImportError as error:
        raise UserError(
            "This model needs timm, which is not installed.",
            "Install it: pip install 'saliency-viewer[timm]'",
            str(error),
        ) from error
    known = timm.list_models()
    # Only plain names: timm takes "hf-hub:..." and the like for places in the internet.
    plain = request.name.partition(".")[0]
    if plain not in known:
        raise UserError(f"timm has no network '{request.name}'.", near_match(plain, known))
    for name in _FETCHING:
        if request.arguments.get(name):
            raise UserError(
                f"model.toml: model.arguments.{name} would take weights from elsewhere.",
                "Take it out: the weights come from the package.",
            )
    return called(partial(timm.create_model, plain, pretrained=False), request.name, request.arguments)
