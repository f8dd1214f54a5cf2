"""Whether the steps of a program fit into memory, asked before they are run.

A file of a few bytes can ask for a tensor of any size; the system would grant it, and end the program once it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.models.programs.faults import MISTAKES
from saliency_viewer.models.programs.steps import OnDevice, leaves, mapped
from saliency_viewer.runtime.memory import require_memory

_LARGEST_NUMBER = 8  # bytes
_SMALL = 2**26  # bytes


def require_room(shape: Sequence[int]) -> None:
    """Raise :class:`UserError` when a tensor of that shape is more than memory holds."""
    needed = _LARGEST_NUMBER * math.prod(shape)
    if needed > _SMALL:  # asking the system for every one takes longer than the operators
        require_memory(needed, "A step of the network")


def require_room_for(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """The same for what a call would give. It is followed by shapes alone; calls that cannot be are let through."""
    given, named = mapped((tuple(args), dict(kwargs)), _shape_only)
    if _makes_tensors(function):
        named["device"] = "meta"
    try:
        found = function(*given, **named)
    except MISTAKES:
        return  # its size depends on values, or it fails in any case
    for leaf in leaves(found):
        if isinstance(leaf, Tensor):
            require_room(leaf.shape)


def _makes_tensors(function: Callable[..., Any]) -> bool:
    """Whether an operator is told the device of its result."""
    schema = getattr(function, "_schema", None)
    return schema is not None and any(argument.name == "device" for argument in schema.arguments)


def _shape_only(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return leaf.detach().to("meta")
    return torch.device("meta") if isinstance(leaf, (torch.device, OnDevice)) else leaf
