"""`torchscript`: a program of ``torch.jit``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from saliency_viewer.models.architectures.request import Request

if TYPE_CHECKING:
    from torch import nn


def build(request: Request) -> nn.Module:
    """The network as a tree of modules where the program can be read; else the program as it is."""
    from saliency_viewer.models.programs.finishing import NeedsDouble, finished
    from saliency_viewer.models.programs.steady import Unsteady
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
    except Unsteady:  # what it writes into may be made anew each time, and look like a weight only here
        why = "it writes into its own tensors"
    except NeedsDouble:
        why = "it needs double precision"
    require_end(script)
    _require_steady(script.module, request.shape)
    return Scripted(script.module, why)


def _require_steady(program: Any, shape: tuple[int, ...]) -> None:
    """Raise :class:`UserError` when a program that is run as a whole answers otherwise each time.

    Whether it takes such an input at all is said where the classes are counted.
    """
    import torch

    from saliency_viewer.models.programs.batch import example
    from saliency_viewer.models.programs.faults import MISTAKES
    from saliency_viewer.models.programs.steady import require_steady
    from saliency_viewer.models.programs.torchscript.scripted import answer

    sample = example(shape)
    weights = [*program.parameters(), *program.buffers()]
    with torch.no_grad(), contextlib.suppress(*MISTAKES):
        require_steady(weights, lambda: answer(program, sample.clone()))


def _agree(network: nn.Module, program: Any, shape: tuple[int, ...]) -> bool:
    """Whether what was read answers as the program itself does."""
    import torch

    from saliency_viewer.models.programs.agreement import agree
    from saliency_viewer.models.programs.batch import example
    from saliency_viewer.models.programs.faults import MISTAKES
    from saliency_viewer.models.programs.torchscript.scripted import answer

    sample = example(shape)
    try:
        with torch.no_grad():
            return agree(network(sample.clone()), answer(program, sample.clone()))
    except MISTAKES:
        return False
