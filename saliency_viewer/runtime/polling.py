"""Asking at every operator of a network whether to stop: one 3D convolution alone can take a second."""

from __future__ import annotations

from typing import Any

from saliency_viewer.runtime.context import RunContext


def polled(context: RunContext) -> Any:
    """A torch mode, to be entered with ``with``, that raises :class:`Cancelled` before the next operator.

    Where a graph is recorded, its way back asks as well, whenever it reaches what an operator gave.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    def asked(_gradient: Any) -> None:
        context.check()

    class Poll(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            context.check()
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.grad_fn is not None:
                result.register_hook(asked)  # type: ignore[no-untyped-call]
            return result

    return Poll()
