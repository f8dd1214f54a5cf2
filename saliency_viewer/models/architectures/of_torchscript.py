"""`torchscript`: a program of ``torch.jit``."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.request import Request

if TYPE_CHECKING:
    from torch import nn

_SAME = 1e-4  # of the largest output


def build(request: Request) -> nn.Module:
    """The network as a tree of modules where the program can be read; else the program as it is."""
    from saliency_viewer.models.programs.finishing import finished
    from saliency_viewer.models.programs.torchscript.reading import Unreadable, read_torchscript
    from saliency_viewer.models.programs.torchscript.scripted import Scripted
    from saliency_viewer.models.programs.torchscript.source import require_harmless

    require_harmless(request.content)
    script = _loaded(request.content)
    try:
        network = finished(read_torchscript(script, request.shape), request.shape)
        if _agree(network, script, request.shape):
            return network
    except Unreadable:
        pass  # it runs all the same, and methods that need to see its operators say that they cannot
    return Scripted(script, request.shape)


def _loaded(content: bytes) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls TorchScript deprecated, which the user cannot change
            script = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
            return script.eval().float()
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise UserError(
            "The TorchScript program cannot be loaded: it is damaged, or was written by a newer torch.",
            "Copy it again, or export the network with torch.export.",
            (str(error).splitlines() or [""])[0],
        ) from error


def _agree(network: nn.Module, script: Any, shape: tuple[int, ...]) -> bool:
    """Whether what was read answers as the program itself does."""
    import torch

    from saliency_viewer.models.programs.steps import leaves

    sample = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pairs = zip(leaves(network(sample.clone())), leaves(script(sample.clone())), strict=True)
        return all(torch.allclose(a, b, rtol=_SAME, atol=_SAME * float(b.abs().max())) for a, b in pairs)
