"""Walks an ONNX graph and writes down its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.faults import MISTAKES
from saliency_viewer.models.programs.onnx_reading.file import FLOATING, OnnxFile
from saliency_viewer.models.programs.onnx_reading.names import Names
from saliency_viewer.models.programs.recorder import Operand, Recorder
from saliency_viewer.models.programs.steps import Program

_PLAIN = ("", "ai.onnx")
_QUANTISED = ("Quantize", "Dequantize", "QLinear", "Integer")
_WITHOUT = "Export the network again without it, or save its state dict and use it with its architecture."


class Unsupported(Exception):  # noqa: N818 - what of an operator is not read
    """A form of an operator that is not read: its text goes on behind "not supported in this form"."""


@dataclass(frozen=True)
class Node:
    """One operator of the file: its inputs, and its attributes as Python values."""

    op: str
    inputs: tuple[Operand, ...]
    outputs: int
    opset: int
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, position: int) -> Operand:
        """An input; None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def numbers(self, position: int, name: str = "") -> list[int] | None:
        """Whole numbers, which are a constant input in newer versions and the attribute ``name`` in older ones."""
        given = self[position]
        if given is None:
            found = self.get(name) if name else None
            return None if found is None else [int(number) for number in found]
        return [int(number) for number in self.constant(position).reshape(-1)]

    def constant(self, position: int) -> Tensor:
        """An input that must be known without the image. Raises :class:`UserError` where it is not."""
        given = self[position]
        if not isinstance(given, Tensor):
            raise UserError(
                f"The ONNX operator '{self.op}' gets numbers that depend on the image, which is not read.",
                "Export the network for a fixed image size.",
            )
        return given


Handler = Callable[["Reader", Node], Any]


class Reader(Recorder):
    """The graph as steps. What depends on constants alone is computed while reading.

    Parameters
    ----------
    file:
        The parsed file.
    shape:
        Of one example input, (N, ...).
    handlers:
        For every operator a function that writes its steps and returns its outputs.
    """

    def __init__(self, file: OnnxFile, shape: tuple[int, ...], handlers: Mapping[str, Handler]) -> None:
        super().__init__(shape)
        self._file = file
        self._handlers = handlers
        self._names = Names()
        self._known: dict[str, Any] = {}
        self._left_out: dict[str, Any] = {}  # outputs that no handler gives, with their nodes

    def program(self, input_name: str) -> Program:
        """The whole graph from its one input."""
        self._known[input_name] = self.input
        outputs = self._walk(self._file.graph)
        return self.recorded(outputs[0] if len(outputs) == 1 else outputs)

    def _walk(self, graph: Any) -> tuple[Any, ...]:
        """The outputs of a graph."""
        for proto in graph.initializer:
            self._known[proto.name] = self._file.tensor(proto)
        for proto in graph.node:
            self.scopes = self._names.scopes(proto)
            handler = self._handler(proto)
            node = Node(
                proto.op_type,
                tuple(self._operand(name) if name else None for name in proto.input),
                len(proto.output),
                self._file.opset,
                {attribute.name: self._attribute(attribute) for attribute in proto.attribute},
            )
            found = self._outputs(proto, handler, node)
            results = found if isinstance(found, tuple) else (found,)
            self._known.update(zip(proto.output, results, strict=False))
            self._left_out.update(dict.fromkeys(proto.output[len(results) :], proto))
        return tuple(self._operand(output.name) for output in graph.output)

    def _operand(self, name: str) -> Any:
        """What a node gave under this name."""
        if name in self._left_out:
            raise UserError(
                f"The network uses more than the first output of the ONNX operator {_titled(self._left_out[name])}, "
                "which is not supported.",
                _WITHOUT,
            )
        return self._known[name]

    def _outputs(self, proto: Any, handler: Handler, node: Node) -> Any:
        try:
            return handler(self, node)
        except Unsupported as error:
            message = f"The ONNX operator {_titled(proto)} is not supported in this form: {error}."
            raise UserError(message, _WITHOUT) from error
        except MISTAKES as error:
            raise UserError(
                f"The ONNX operator {_titled(proto)} cannot be run as the file has it.",
                "Check input.channels and input.size in model.toml, or export the network again.",
                f"{type(error).__name__}: {error}",
            ) from error

    def _handler(self, proto: Any) -> Handler:
        handler = self._handlers.get(proto.op_type) if proto.domain in _PLAIN else None
        if handler is not None:
            return handler
        if any(mark in proto.op_type for mark in _QUANTISED):
            raise UserError(
                f"The ONNX network is quantised: its operator {_titled(proto)} rounds to 8 bits, which have no "
                "gradient.",
                "Use the network from before quantising.",
            )
        hint = _WITHOUT
        if proto.domain == "ai.onnx.ml":
            hint = "It belongs to another kind of model, such as trees; methods here explain neural networks."
        elif proto.domain not in _PLAIN:
            hint = "Use the file as it was exported, before another program optimised it or added to it."
        raise UserError(f"The ONNX operator {_titled(proto)} is not supported.", hint)

    def _attribute(self, attribute: Any) -> Any:
        from onnx import helper

        if attribute.type == attribute.TENSOR:
            return self._file.tensor(attribute.t)
        value = helper.get_attribute_value(attribute)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def branch(self, graph: Any) -> tuple[Any, ...]:
        """The outputs of a graph inside the graph."""
        scopes = self.scopes
        outputs = self._walk(graph)
        self.scopes = scopes
        return outputs


def _titled(proto: Any) -> str:
    """The operator of a node and the node's name, as users look for them in their file."""
    full = proto.op_type if proto.domain in _PLAIN else f"{proto.domain}.{proto.op_type}"
    return f"'{full}' (node '{proto.name}')" if proto.name else f"'{full}'"


def input_of(file: OnnxFile) -> tuple[str, list[int | None]]:
    """Name and declared shape of the one input that is no weight; None for open sizes."""
    filled = {proto.name for proto in file.graph.initializer}
    found = [given for given in file.graph.input if given.name not in filled]
    if len(found) != 1:
        raise UserError(
            f"The ONNX network takes {len(found)} inputs, and an image is one.",
            "Export a network whose forward takes the image alone.",
        )
    kind = found[0].type.tensor_type
    if kind.elem_type not in FLOATING | {2, 3}:
        raise UserError("The ONNX network does not take an image of numbers.", "Export it with a float32 input.")
    sizes = [size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None for size in kind.shape.dim]
    return found[0].name, sizes
