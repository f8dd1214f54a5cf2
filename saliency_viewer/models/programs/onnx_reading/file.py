"""The protobuf of an ONNX file: parsed, with all of its tensors, and refused where it is no plain network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.models.programs.onnx_reading.external import EXTERNAL, ExternalData, Read
from saliency_viewer.models.programs.onnx_reading.functions import inlined
from saliency_viewer.runtime.memory import require_memory

# Numbers of onnx.TensorProto.DataType. Networks compute in float32 here, and count in int64.
FLOATING = frozenset({1, 10, 11, 16})
WHOLE = frozenset({2, 3, 4, 5, 6, 7, 12, 13})
BOOLEAN = 9
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
_OLDEST, _NEWEST = 7, 27
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
        model = parsed(content)
        self.opset = max([entry.version for entry in model.opset_import if entry.domain in _PLAIN], default=0)
        if not _OLDEST <= self.opset <= _NEWEST:
            raise UserError(
                f"The ONNX file uses version {self.opset} of the operators; versions {_OLDEST} to {_NEWEST} are read.",
                "Export it again, for instance with opset_version=18.",
            )
        if model.graph.sparse_initializer:
            raise UserError(
                "The ONNX file holds sparse weights, which are not supported.", "Export it with dense weights."
            )
        self.graph = model.graph
        self._external = ExternalData(folder, read)

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
        if proto.data_location == EXTERNAL:
            proto = with_data(proto, self._external.of(proto, bytes_of(proto)))
        return _numbers(proto, name, count).reshape(shape)


def parsed(content: bytes) -> Any:
    """The ``ModelProto`` of a file, without functions of its own. Raises :class:`UserError`."""
    try:
        import onnx
    except ImportError as error:
        raise UserError(
            "ONNX networks need the library onnx.", 'Install it: pip install "saliency-viewer[onnx]"', str(error)
        ) from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
        if not model.graph.node or not model.graph.output:
            raise ValueError("no graph")
        return inlined(model)
    except UserError:
        raise
    except Exception as error:  # protobuf's and the inliner's own errors share no base
        raise damaged("an ONNX network", error) from error


def bytes_of(proto: Any) -> int:
    """How many bytes the numbers of a ``TensorProto`` take, by its shape and type."""
    return int(math.prod(proto.dims)) * _BITS.get(proto.data_type, 0) // 8


def with_data(proto: Any, content: bytes) -> Any:
    """A copy of a ``TensorProto`` that holds its data itself."""
    whole = type(proto)()
    whole.CopyFrom(proto)
    whole.data_location = 0
    del whole.external_data[:]
    whole.raw_data = content
    return whole


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
