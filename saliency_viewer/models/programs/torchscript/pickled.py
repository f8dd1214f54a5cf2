"""Looking through the pickles in a TorchScript archive before torch reads them.

Torch's own reader takes the sizes in them on trust, and makes objects of compiled classes where a pickle names them.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.models.programs.torchscript.source import WHAT

# Bytes of an element by the storages that pickles name.
_BYTES = {"Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1}
_BYTES |= {"Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16}
_LARGEST = 2**48  # bytes and elements: products of these stay numbers of 64 bits
_OPCODES = frozenset(
    {"PROTO", "GLOBAL", "NEWOBJ", "BUILD", "REDUCE", "STOP", "MARK", "BINPERSID", "NONE", "NEWTRUE", "NEWFALSE"}
    | {"BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    | {"EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "BINUNICODE", "BINUNICODE8"}
    | {"SHORT_BINUNICODE", "SHORT_BINSTRING", "BINSTRING", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
)


def look_through(content: bytes, stored: Mapping[str, int]) -> None:
    """Raise :class:`UserError` unless a pickle holds nothing but the program's own objects and sound tensors.

    ``stored``: the bytes that the archive holds for each storage.
    """
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in _OPCODES or ("PUT" in opcode.name and int(argument or 0) > len(content)):
                raise ValueError(f"opcode {opcode.name}")
        _Looking(content, stored).load()
    except UserError:
        raise
    except Exception as error:  # what a wrong pickle makes Python raise may be anything
        raise damaged(WHAT, error) from error


class _Object:
    """Stands for an object of one of the program's classes."""

    def __setstate__(self, state: Any) -> None:
        """Its attributes were looked at one by one."""


class _Looking(pickle.Unpickler):
    """Makes nothing but lists and stand-ins."""

    def __init__(self, content: bytes, stored: Mapping[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self._stored = stored
        self._known: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch.device": _nothing,
            "torch.jit._pickle.restore_type_tag": _nothing,
            **{f"torch.jit._pickle.build_{kind}list": _nothing for kind in ("int", "tensor", "double", "bool")},
            **{f"torch.{kind}Storage": size for kind, size in _BYTES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        full = f"{module}.{name}"
        if full.startswith("__torch__.") and not full.startswith("__torch__.torch.classes."):
            return _Object
        if full in self._known:
            return self._known[full]
        raise UserError(
            "The TorchScript program holds objects that are not its own, such as quantised weights or objects of "
            "compiled code, so it was not loaded.",
            "Export the float32 network with torch.export, or save its state dict.",
            f"object {full[:80]}",
        )

    def persistent_load(self, pid: Any) -> int:
        """How many elements a storage has."""
        _, size, key, _, count = pid
        if not 0 <= _number(count) * size <= self._stored[key]:
            raise ValueError(f"storage {key} is shorter than it says")
        return int(count)


def _tensor(held: int, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], *_flags: Any) -> None:
    numbers = [_number(number) for number in (offset, *sizes, *strides)]
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if min(numbers) < 0 or (0 not in sizes and last >= held):
        raise ValueError("a tensor that is larger than its storage")


def _number(value: Any) -> int:
    if type(value) is not int or abs(value) > _LARGEST:
        raise ValueError("a size that is no number")
    return value


def _nothing(*_given: Any) -> None:
    return None
