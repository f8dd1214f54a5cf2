"""What TorchScript programs do with numbers, lists and words: run in Python while the program is read."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

# Numbers of c10::ScalarType, as which programs hold types.
TYPES: dict[int, torch.dtype] = {
    0: torch.uint8,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.int64,
    5: torch.float16,
    6: torch.float32,
    7: torch.float64,
    11: torch.bool,
    15: torch.bfloat16,
}
NUMBERS = {dtype: number for number, dtype in TYPES.items()}
FORMATS = {0: torch.contiguous_format, 1: torch.preserve_format, 2: torch.channels_last, 3: torch.channels_last_3d}


def _set(items: list[Any], place: int, item: Any) -> list[Any]:
    items[place] = item
    return items


def _append(items: list[Any], item: Any) -> list[Any]:
    items.append(item)
    return items


def _extend(items: list[Any], more: list[Any]) -> None:
    items.extend(more)


def _insert(items: list[Any], place: int, item: Any) -> None:
    items.insert(place, item)


def _part(items: Any, start: int | None = None, stop: int | None = None, step: int | None = None) -> Any:
    return items[start:stop:step]


def _nothing(*_values: Any) -> str:
    return ""


# Operators of lists, tuples, dictionaries and words, by their names without overloads.
OF_CONTAINERS: dict[str, Callable[..., Any]] = {
    "__getitem__": operator.getitem,
    "_set_item": _set,
    "__contains__": operator.contains,
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "pop": lambda items, *place: items.pop(*place),
    "reverse": lambda items: items.reverse(),
    "slice": _part,
    "len": len,
    "list": list,
    "copy": list,
    "add": operator.add,
    "mul": operator.mul,
    "eq": operator.eq,
    "ne": operator.ne,
    "sum": sum,
    "any": any,
    "all": all,
    "keys": lambda table: list(table.keys()),
    "values": lambda table: list(table.values()),
    "items": lambda table: list(table.items()),
    "format": _nothing,
    "join": _nothing,
    "warn": _nothing,
}
# Of everything else that is no tensor. Gradients are wanted, whatever the surroundings are while reading.
OF_ANYTHING: dict[str, Callable[..., Any]] = {
    "prim::unchecked_cast": lambda value: value,
    "prim::unchecked_unwrap_optional": lambda value: value,
    "aten::_unwrap_optional": lambda value: value,
    "prim::Uninitialized": lambda: None,
    "prim::TupleIndex": operator.getitem,
    "prim::NumToTensor": torch.tensor,
    "prim::requires_grad": lambda _tensor: True,
    "aten::is_grad_enabled": lambda: True,
    "prim::max": max,
    "prim::min": min,
    "prim::device": lambda _tensor: torch.device("cpu"),
    "prim::type": lambda device: device.type,
    "aten::__is__": operator.is_,
    "aten::__isnot__": operator.is_not,
    "aten::__not__": operator.not_,
    "aten::warn": _nothing,
    "aten::__range_length": lambda start, stop, step: len(range(start, stop, step)),
    "aten::__derive_index": lambda turn, start, step: start + turn * step,
    **dict.fromkeys(
        (
            "prim::is_nested",
            "prim::is_cuda",
            "prim::is_sparse",
            "prim::is_quantized",
            "prim::is_mkldnn",
            "prim::is_meta",
        ),
        lambda _tensor: False,
    ),
}
