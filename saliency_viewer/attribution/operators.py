"""Seeing every operator of a network as it runs, whoever calls it: a module, a function or an in-place method."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Augmented assignments write to their left side without a trailing underscore in their name.
_AUGMENTED = {"__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div", "__idiv__": "div"}
_REFLECTED = {"__radd__": "add", "__rmul__": "mul", "__rsub__": "rsub", "__rtruediv__": "rdiv", "__rdiv__": "rdiv"}
_SPELLINGS = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
    "absolute": "abs",
    "concat": "cat",
    "concatenate": "cat",
}
# Where functions of torch.nn.functional take ``inplace`` when it is passed without its name.
_INPLACE_POSITION = {
    **dict.fromkeys(("relu", "relu6", "selu", "silu", "mish", "hardswish", "hardsigmoid"), 1),
    **dict.fromkeys(("elu", "celu", "leaky_relu"), 2),
    **dict.fromkeys(("hardtanh", "threshold", "dropout", "dropout1d", "dropout2d", "dropout3d"), 3),
}


class Call:
    """One operator call: its plain name, arguments, and whether it writes to its first argument."""

    __slots__ = ("_writes", "args", "function", "kwargs", "name")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.name, self._writes = _plain_name(getattr(function, "__name__", ""))

    @property
    def in_place(self) -> bool:
        """Whether the call overwrites its first argument."""
        if self._writes or self.kwargs.get("inplace"):
            return True
        position = _INPLACE_POSITION.get(self.name)
        return position is not None and self.argument(position, "inplace") is True

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument, however it was passed."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    @property
    def input(self) -> Any:
        """The first argument."""
        return self.argument(0, "input", self.kwargs.get("self"))

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments without the first argument, under whichever name it came."""
        return {key: item for key, item in self.kwargs.items() if key not in ("input", "self")}

    def run(self) -> Any:
        """The operator itself, as called."""
        return self.function(*self.args, **self.kwargs)

    def run_on_copy(self) -> Any:
        """The operator's value, with its inputs left as they are."""
        if not self.in_place:
            return self.run()
        return self.function(self.input.detach().clone(), *self.args[1:], **self.options)


@functools.cache
def _plain_name(full: str) -> tuple[str, bool]:
    raw = full.split(".")[0]  # torch.export's operators are called "relu_.default" and the like
    if raw in _AUGMENTED:
        return _AUGMENTED[raw], True
    if raw in _REFLECTED:
        return _REFLECTED[raw], False
    in_place = raw.endswith("_") and not raw.endswith("__")
    plain = raw.strip("_")
    return _SPELLINGS.get(plain, plain), in_place


def tensors_in(value: Any) -> Iterable[Tensor]:
    """Every tensor in a possibly nested list, tuple or dictionary."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


class OperatorMode(TorchFunctionMode):
    """Calls ``check`` before every operator and hands every call to ``handle``, when there is one.

    ``handle(call)`` returns the operator's result. While it runs the mode is off, so that nothing it does is seen
    again. ``watch(call, result)``, when given, sees what came of it. With ``backward`` the check is also made before
    every operator of the backward pass, where one 3D convolution alone can take a second.

    Handled operators are not checkpointed: a network that saves memory so would run the plain ones again for the
    backward pass, and take what those keep for what ours had kept.
    """

    def __init__(
        self,
        check: Callable[[], None],
        handle: Callable[[Call], Any] | None = None,
        watch: Callable[[Call, Any], None] | None = None,
        backward: bool = False,
    ) -> None:
        super().__init__()
        self._backward = backward
        self._check = check
        self._handle = handle
        self._watch = watch

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "__get__":  # a property such as .shape: no operator, and far too frequent to poll at
            return func(*args, **kwargs)
        self._check()
        call = Call(func, args, kwargs)
        result = func(*args, **kwargs) if self._handle is None else self._handled(self._handle, call)
        if self._watch is not None:
            self._watch(call, result)
        if self._backward:
            self._check_before_backward_of(result)
        return result

    def __enter__(self) -> Any:
        self._hooks = _hooks()
        return super().__enter__()  # type: ignore[no-untyped-call]

    def _handled(self, handle: Callable[[Call], Any], call: Call) -> Any:
        if _hooks() == self._hooks:
            return handle(call)
        with torch.autograd.graph.saved_tensors_hooks(*(self._hooks or (_same, _same))):
            return handle(call)

    def _check_before_backward_of(self, result: Any) -> None:
        def poll(_gradients: Any) -> None:
            self._check()

        for tensor in tensors_in(result):
            if tensor.grad_fn is not None:
                tensor.grad_fn.register_prehook(poll)


_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _even_in_tracing: None)


def _hooks() -> Any:
    """The (pack, unpack) functions through which graphs now save tensors, None for none."""
    return _top_hooks(True)


def _same(tensor: Tensor) -> Tensor:
    return tensor


def store(call: Call, result: Tensor) -> Tensor:
    """Give ``result`` back as the call would: an in-place call also writes it into its first argument.

    Other references to that argument must see the new values, as they do without us.
    """
    if not call.in_place:
        return result
    target: Tensor = call.input
    if target.is_leaf and target.requires_grad:
        return result
    return target.copy_(result)


def on_tape(value: Any) -> bool:
    """Whether a value is a tensor through which the score's gradient may flow."""
    return isinstance(value, Tensor) and value.requires_grad and torch.is_floating_point(value)
