"""The protobuf of an ONNX file: parsed, with all of its tensors, and refused where it is no plain network."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.runtime.memory import require_memory

Read = Callable[[str], bytes]

# Numbers of onnx.TensorProto.DataType. Networks compute in float32 here, and count in int64.
FLOATING = frozenset({1, 10, 11, 16})
WHOLE = frozenset({2, 3, 4, 5, 6, 7, 12, 13})
BOOLEAN = 9
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
_EXTERNAL = 1
_OLDEST, _NEWEST = 7, 25
_PLAIN = ("", "ai.onnx")


class OnnxFile:
    """A parsed file.

    Parameters
    ----------
    content:
        Its bytes.
    folder:
        Where it lies in its package, since data outside of it is named from there.
    read:
        Gives the bytes of another file of the package by its name.

    Attributes
    ----------
    graph:
        The ``GraphProto``.
    opset:
        Version of the standard operators.

    Raises
    ------
    UserError
        For damaged files, unknown versions, and when the library ``onnx`` is missing.
    """

    def __init__(self, content: bytes, folder: str, read: Read) -> None:
        model = _parsed(content)
        self.opset = max([entry.version for entry in model.opset_import if entry.domain in _PLAIN], default=0)
        if not _OLDEST <= self.opset <= _NEWEST:
            raise UserError(
                f"The ONNX file uses version {self.opset} of the operators; versions {_OLDEST} to {_NEWEST} are read.",
                "Export it again, for instance with opset_version=18.",
            )
        self.graph = model.graph
        self._folder = folder
        self._read = read
        self._external: dict[str, bytes] = {}

    def tensor(self, proto: Any) -> Tensor:
        """One tensor: float32, int64 or bool. Raises :class:`UserError` when its data is not what it says."""
        name = proto.name or "a constant"
        kind, shape = proto.data_type, tuple(proto.dims)
        if kind not in _BITS:
            raise UserError(
                f"The tensor '{name}' of the ONNX file holds text, complex numbers or numbers of less than 8 bits.",
                "Export the network with float32 weights.",
            )
        if any(size < 0 for size in shape):
            raise damaged("an ONNX network", ValueError(f"a negative size of {name}"))
        count = math.prod(shape)
        require_memory(8 * count if kind in WHOLE else 4 * count, f"The tensor '{name}' of the ONNX file")
        if proto.data_location == _EXTERNAL:
            proto = self._with_external_data(proto, name, count * _BITS[kind] // 8)
        return _numbers(proto, name, count).reshape(shape)

    def _with_external_data(self, proto: Any, name: str, size: int) -> Any:
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries.get("length") or size)
        except ValueError as error:
            raise damaged("an ONNX network", error) from error
        content = self._beside(location)
        if offset < 0 or length != size or offset + length > len(content):
            raise UserError(
                f"The tensor '{name}' of the ONNX file lies outside of the data file '{posixpath.basename(location)}', "
                "or has another length there.",
                "Copy both files again; they must come from the same export.",
            )
        whole = type(proto)()
        whole.CopyFrom(proto)
        whole.data_location = 0
        del whole.external_data[:]
        whole.raw_data = content[offset : offset + length]
        return whole

    def _beside(self, location: str) -> bytes:
        """A file of the package, named from the folder of the ONNX file."""
        place = posixpath.normpath(posixpath.join(self._folder, location.replace("\\", "/")))
        if not location or posixpath.isabs(place) or place.startswith("..") or ":" in place.split("/")[0]:
            raise UserError(
                "The ONNX file looks for data outside of the model package, which is not read.",
                "Put the data file beside the ONNX file and export with a relative location.",
            )
        if place not in self._external:
            self._external[place] = self._read(place)
        return self._external[place]


def _parsed(content: bytes) -> Any:
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:
        raise UserError(
            "ONNX networks need the library onnx.", 'Install it: pip install "saliency-viewer[onnx]"', str(error)
        ) from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
        if not model.graph.node or not model.graph.output:
            raise ValueError("no graph")
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:  # protobuf's and the inliner's own errors share no base
        raise damaged("an ONNX network", error) from error


def _numbers(proto: Any, name: str, count: int) -> Tensor:
    """(count,) values in the precision that networks are computed in."""
    from onnx import numpy_helper

    if proto.HasField("raw_data") and len(proto.raw_data) * 8 != count * _BITS[proto.data_type]:
        raise UserError(
            f"The tensor '{name}' of the ONNX file has {len(proto.raw_data):,} bytes, which does not fit its shape.",
            "Copy or download the file again.",
        )
    try:
        values = numpy_helper.to_array(proto).reshape(-1)
        if proto.data_type == BOOLEAN:
            return torch.from_numpy(values.astype(bool))
        return torch.from_numpy(values.astype("float32" if proto.data_type in FLOATING else "int64"))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise damaged("an ONNX network", error) from error
