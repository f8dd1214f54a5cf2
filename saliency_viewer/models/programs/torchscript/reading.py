"""The graph of a TorchScript program as steps.

Calls are inlined, branches and loops that depend on sizes and settings are followed as they fall out for the example,
so that only tensor operators remain. Programs in which a branch depends on what is in the image are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.aten import operator
from saliency_viewer.models.programs.recorder import MISTAKES, Recorder
from saliency_viewer.models.programs.steps import OnDevice, Program, Scope, Value, mapped
from saliency_viewer.models.programs.torchscript.plain import FORMATS, NUMBERS, OF_ANYTHING, OF_CONTAINERS, TYPES

_MOST_NODES = 1_000_000  # a loop could be endless
_OF_SHAPES = frozenset({"size", "dim", "numel", "stride", "is_floating_point", "is_complex", "is_contiguous"})
_CALLED = re.compile(r"([^.()]+)\(([^()]*)\)")  # name(class), for each module around a node
_UNNAMED = ("SELF", "UNKNOWN_INSTANCE", "UNKNOWN_NAME")


class Unreadable(Exception):  # noqa: N818 - the program may still run as it is
    """The program does something that cannot be written as steps."""


def read_torchscript(module: torch.jit.ScriptModule, shape: tuple[int, ...]) -> Program:
    """The steps for one example of that shape, (1, ...).

    Raises :class:`Unreadable` for programs that are no straight line for this example, and :class:`UserError` for those
    that take more than an image.
    """
    graph = module.graph.copy()
    torch._C._jit_pass_inline(graph)
    reader = _Reader(shape)
    try:
        return reader.recorded(reader.graph(graph, module))
    except MISTAKES as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


class _Module:
    """A module of the program, and its path."""

    def __init__(self, module: Any, path: str) -> None:
        self.module, self.path = module, path

    def attribute(self, name: str, reader: Recorder) -> Any:
        """A part, a weight or a setting."""
        found = getattr(self.module, name)
        path = f"{self.path}.{name}" if self.path else name
        if isinstance(found, torch.jit.ScriptModule):
            return _Module(found, path)
        if isinstance(found, Tensor):
            trained = name in dict(self.module.named_parameters(recurse=False))
            return reader.named(found.detach(), path, statistic=not trained)
        return found


class _Reader(Recorder):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self._known: dict[str, Any] = {}
        self._attributes: dict[str, Any] = {}
        self._count = 0

    def graph(self, graph: Any, module: torch.jit.ScriptModule) -> Any:
        """What the graph returns."""
        this, *inputs = graph.inputs()
        self._known[this.debugName()] = _Module(module, "")
        defaults = module._c._get_method("forward").schema.arguments[1:]
        missing = [argument for argument in defaults[1:] if not argument.has_default_value()]
        if not inputs or missing:
            raise UserError(
                f"The TorchScript program takes {len(inputs)} inputs, and an image is one.",
                "Export a module whose forward takes the image alone.",
            )
        self._known[inputs[0].debugName()] = self.input
        for value, argument in zip(inputs[1:], defaults[1:], strict=True):
            self._known[value.debugName()] = argument.default_value
        self._block(graph)
        outputs = [self._known[output.debugName()] for output in graph.outputs()]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _block(self, block: Any) -> list[Any]:
        """Run through the nodes; the block's results."""
        for node in block.nodes():
            self._count += 1
            if self._count > _MOST_NODES:
                raise Unreadable("the program runs for too long")
            self._node(node)
        return [self._known.get(output.debugName()) for output in block.outputs()]

    def _node(self, node: Any) -> None:
        control: dict[str, Callable[[Any], list[Any]]] = {"prim::If": self._if, "prim::Loop": self._loop}
        kind = node.kind()
        if kind in control:
            results = control[kind](node)
        elif kind == "prim::Constant":
            results = [node.output().toIValue()]
        elif kind == "prim::GetAttr":
            results = [self._attribute(self._given(node)[0], node.s("name"))]
        elif kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            results = [list(self._given(node)) if kind == "prim::ListConstruct" else tuple(self._given(node))]
        elif kind == "prim::DictConstruct":
            given = self._given(node)
            results = [dict(zip(given[::2], given[1::2], strict=True))]
        elif kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            results = list(self._given(node)[0])
        else:
            result = self._called(node, kind, self._given(node))
            results = list(result) if node.outputsSize() > 1 else [result]
        for output, result in zip(node.outputs(), results, strict=True):
            self._known[output.debugName()] = result

    def _given(self, node: Any) -> list[Any]:
        return [self._known[value.debugName()] for value in node.inputs()]

    def _attribute(self, owner: Any, name: str) -> Any:
        """Looked up once, so that a weight is always the same tensor."""
        if not isinstance(owner, _Module):
            raise Unreadable(f"an attribute of a {type(owner).__name__}")
        path = f"{owner.path}.{name}"
        if path not in self._attributes:
            self._attributes[path] = owner.attribute(name, self)
        return self._attributes[path]

    def _if(self, node: Any) -> list[Any]:
        taken, other = node.blocks()
        return self._block(taken if self._decided(self._given(node)[0]) else other)

    def _loop(self, node: Any) -> list[Any]:
        most, goes_on, *carried = self._given(node)
        (body,) = node.blocks()
        number, *names = body.inputs()
        turn = 0
        while turn < most and self._decided(goes_on):
            self._known[number.debugName()] = turn
            self._known.update({name.debugName(): value for name, value in zip(names, carried, strict=True)})
            goes_on, *carried = self._block(body)
            turn += 1
        return carried

    @staticmethod
    def _decided(condition: Any) -> bool:
        if isinstance(condition, Value):
            raise Unreadable("a branch depends on what is in the image")
        return bool(condition)

    def _called(self, node: Any, kind: str, given: list[Any]) -> Any:
        """What an operator gives."""
        if kind == "prim::RaiseException":
            raise Unreadable("the program raises an error for this input")
        if kind == "prim::dtype":
            return NUMBERS[self.example(given[0]).dtype]
        if kind in OF_ANYTHING:
            return OF_ANYTHING[kind](*given)
        namespace, _, name = kind.partition("::")
        if given and isinstance(given[0], (list, tuple, dict, str)) and name in OF_CONTAINERS:
            return OF_CONTAINERS[name](*given)
        if namespace != "aten":
            raise Unreadable(f"the construct {kind}")
        overload = node.schema().partition("(")[0].partition(".")[2]
        self.scopes = _scopes(node.getModuleHierarchy())
        return self._operator(name, overload, given)

    def _operator(self, name: str, overload: str, given: list[Any]) -> Any:
        if name in ("Int", "Float", "Bool", "item", "IntImplicit", "FloatImplicit", "ScalarImplicit"):
            return self._number(name, given[0])
        found = operator("aten", name, overload)
        declared = found.overload._schema.arguments
        plain = [argument for argument in declared if not argument.kwarg_only]
        arguments = [_typed(argument.real_type, value) for argument, value in zip(declared, given, strict=False)]
        named = {
            argument.name: value for argument, value in zip(declared, arguments, strict=False) if argument.kwarg_only
        }
        call = found.call(arguments[: len(plain)], named)
        if name in _OF_SHAPES:  # the same for every image
            return call.function(*mapped(call.args, self.example))
        result = self.emit(call.function, *call.args, **call.kwargs)
        example = self.example(result)
        if isinstance(example, (list, tuple)) and isinstance(result, Value):
            return list(self.parts(result, len(example)))
        return [result] if call.only_first else result

    @staticmethod
    def _number(name: str, value: Any) -> Any:
        if isinstance(value, Value):
            raise Unreadable("a number is taken out of what is in the image")
        number = value.item() if isinstance(value, Tensor) else value
        kinds: dict[str, Callable[[Any], Any]] = {"Int": int, "IntImplicit": int, "Float": float, "Bool": bool}
        return kinds.get(name, lambda same: same)(number)


def _typed(kind: Any, value: Any) -> Any:
    """Types, formats and devices, which programs hold as numbers, as torch wants them."""
    word = str(kind)
    if isinstance(value, int) and not isinstance(value, bool):
        if "ScalarType" in word:
            return TYPES[value]
        if "MemoryFormat" in word:
            return FORMATS[value]
        if "Layout" in word:
            return torch.strided
    return OnDevice() if isinstance(value, torch.device) else value


def _scopes(hierarchy: str) -> tuple[Scope, ...]:
    """``layer1(Sequential).0(BasicBlock)`` as module calls."""
    found = [(name, kind) for name, kind in _CALLED.findall(hierarchy) if name not in _UNNAMED]
    return tuple(Scope(name, kind.rpartition(".")[2]) for name, kind in found)
