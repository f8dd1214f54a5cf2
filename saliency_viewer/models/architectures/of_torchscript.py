"""`torchscript`: a program of ``torch.jit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.models.architectures.request import Request

if TYPE_CHECKING:
    from torch import nn

_SAME = 1e-4  # of the largest output


def build(request: Request) -> nn.Module:
    """The network as a tree of modules where the program can be read; else the program as it is."""
    from saliency_viewer.models.programs.finishing import finished
    from saliency_viewer.models.programs.torchscript.bounds import require_end, require_small
    from saliency_viewer.models.programs.torchscript.loading import load_script
    from saliency_viewer.models.programs.torchscript.reading import Unreadable, read_torchscript
    from saliency_viewer.models.programs.torchscript.scripted import Scripted

    script = load_script(request.content)
    require_small(script)
    try:
        network = finished(read_torchscript(script, request.shape), request.shape)
        if _agree(network, script.module, request.shape):
            return network
        why = "steps of its own give other answers"
    except Unreadable as error:
        why = str(error)
    require_end(script)
    return Scripted(script.module, why)


def _agree(network: nn.Module, program: Any, shape: tuple[int, ...]) -> bool:
    """Whether what was read answers as the program itself does."""
    import torch

    from saliency_viewer.models.programs.torchscript.scripted import answer

    sample = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pairs = zip(_tensors(network(sample.clone())), _tensors(answer(program, sample.clone())), strict=True)
        return all(torch.allclose(a, b, rtol=_SAME, atol=_SAME * float(b.abs().max())) for a, b in pairs)


def _tensors(output: Any) -> list[Any]:
    """Without what auxiliary heads give outside training: nothing."""
    from saliency_viewer.models.programs.steps import leaves

    return [leaf for leaf in leaves(output) if leaf is not None]
