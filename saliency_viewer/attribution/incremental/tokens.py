"""Tokens: tensors that stand for windows while a network's own code runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.incremental.window_call import swapped
from saliency_viewer.attribution.incremental.windows import Windows


class Token(Tensor):
    """Has the shape (B, K, *grid) of the layer that it stands for, and takes no memory.

    Its own values are NaN: code that looks at them behind our back gives NaN, which is noticed, and nothing that is
    wrong in silence. ``state`` is the windows, or the whole layer after an operator needed it: from then on
    all references to the token share that one tensor, as they would have shared the layer.
    """

    state: Windows | Tensor

    @classmethod
    def of(cls, windows: Windows) -> Token:
        """A new token for windows."""
        shape = (len(windows.data), *windows.base.shape[1:])
        token = windows.data.new_full((), float("nan")).expand(shape).as_subclass(cls)
        token.state = windows
        return token

    def whole(self) -> Tensor:
        """(B, K, *grid): the layer's values."""
        if isinstance(self.state, Windows):
            self.state = self.state.whole()
        return self.state

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Shape, type and the like are the token's own; any other operator gets the values."""
        given = (args, kwargs or {})
        if getattr(func, "__name__", "") in _DESCRIBING:
            with torch._C.DisableTorchFunctionSubclass():
                described = func(*given[0], **given[1])
            if not isinstance(described, Tensor):
                return described
        whole_args, whole_kwargs = with_values(given)
        return func(*whole_args, **whole_kwargs)


def with_values(value: Any) -> Any:
    """The same arguments with every token's values in its place."""
    return swapped(value, lambda tensor: tensor.whole() if isinstance(tensor, Token) else tensor)


_DESCRIBING = frozenset(
    {"__get__", "size", "dim", "ndimension", "nelement", "numel", "__len__", "is_floating_point", "is_complex"}
    | {"get_device", "element_size", "type"}
)
