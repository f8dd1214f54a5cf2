"""The graphs of a TorchScript program as steps.

Calls are followed into modules and functions, branches and loops that depend on sizes and settings as they fall out for
the example, so that only tensor operators remain. Programs in which a branch depends on what is in the image are not
read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.aten import operator
from saliency_viewer.models.programs.faults import MISTAKES
from saliency_viewer.models.programs.recorder import Recorder
from saliency_viewer.models.programs.steps import OnDevice, Program, Scope, Step, Value, mapped
from saliency_viewer.models.programs.torchscript.loading import Script
from saliency_viewer.models.programs.torchscript.plain import FORMATS, NUMBERS, OF_ANYTHING, OF_CONTAINERS, TYPES
from saliency_viewer.models.programs.training import is_random, other_each_time

_MOST_NODES = 200_000
_MOST_TURNS = 5_000  # of all loops: one could be endless
_LONGEST = 1_000_000  # a list could grow without end
_OF_SHAPES = frozenset({"size", "dim", "numel", "stride", "is_floating_point", "is_complex", "is_contiguous"})
_NUMBERS = frozenset({"Int", "Float", "Bool", "item", "IntImplicit", "FloatImplicit", "ScalarImplicit"})
_ARITHMETIC = frozenset(
    {"add", "sub", "mul", "div", "floordiv", "remainder", "neg", "eq", "ne", "lt", "le", "gt", "ge"}
)


class Unreadable(Exception):  # noqa: N818 - the program may still run as it is
    """The program does something that cannot be written as steps."""


def read_torchscript(script: Script, shape: tuple[int, ...]) -> Program:
    """The steps for one example of that shape, (1, ...).

    Raises :class:`Unreadable` for programs that are no straight line for this example, and :class:`UserError` for those
    that take more than an image.
    """
    reader = _Reader(shape, script.graphs)
    try:
        return reader.recorded(reader.answer(script.module))
    except MISTAKES as error:
        raise Unreadable("it does what was not foreseen, or does not run on this input") from error


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
    def __init__(self, shape: tuple[int, ...], graphs: Mapping[str, Any]) -> None:
        super().__init__(shape)
        self._graphs = graphs
        self._known: dict[str, Any] = {}
        self._around = ""  # the path of the module whose method is followed
        self._attributes: dict[str, Any] = {}
        self._count = self._turns = 0
        self._calls = itertools.count()

    def answer(self, module: Any) -> Any:
        """What the module's forward returns for the image."""
        method = module._c._get_method("forward")
        _, *wanted = method.schema.arguments
        missing = [argument for argument in wanted[1:] if not argument.has_default_value()]
        if not wanted or missing:
            raise UserError(
                f"The TorchScript program takes {len(wanted)} inputs, and an image is one.",
                "Export a module whose forward takes the image alone.",
            )
        others = [argument.default_value for argument in wanted[1:]]
        return self._followed(method.graph, [_Module(module, ""), self.input, *others])

    def _followed(self, graph: Any, given: Sequence[Any]) -> Any:
        """What a function or method returns."""
        outer = self._known
        self._known = {value.debugName(): one for value, one in zip(graph.inputs(), given, strict=True)}
        try:
            self._block(graph)
            outputs = [self._known[output.debugName()] for output in graph.outputs()]
        finally:
            self._known = outer
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _function(self, node: Any) -> Any:
        function, *_ = node.inputs()
        return self._followed(self._graphs[function.type().annotation_str], self._given(node)[1:])

    def _method(self, node: Any) -> Any:
        """A method; of another module than the one around, its steps stand in that module."""
        this, *_ = node.inputs()
        graph = self._graphs[f"{this.type().annotation_str}.{node.s('name')}"]
        owner, *given = self._given(node)
        if not isinstance(owner, _Module):
            raise Unreadable(f"a method of a {type(owner).__name__}")
        around, scopes = self._around, self.scopes
        if owner.path != around:
            below = owner.path.removeprefix(f"{around}.") if around else owner.path
            self.scopes = (*scopes, Scope(below, owner.module.original_name, str(next(self._calls))))
            self._around = owner.path
        try:
            return self._followed(graph, [owner, *given])
        finally:
            self._around, self.scopes = around, scopes

    def _block(self, block: Any) -> list[Any]:
        """Run through the nodes; the block's results."""
        for node in block.nodes():
            self._count += 1
            if self._count > _MOST_NODES:
                raise Unreadable("the program runs for too long")
            results = self._node(node)
            for output, result in zip(node.outputs(), results, strict=True):
                self._known[output.debugName()] = result
        return [self._known.get(output.debugName()) for output in block.outputs()]

    def _node(self, node: Any) -> Sequence[Any]:
        """What a node gives, one thing for each of its outputs."""
        kind = node.kind()
        of_nodes = _OF_NODES.get(kind)
        if of_nodes is not None:
            return of_nodes(self, node)
        result = self._called(node, kind, self._given(node))
        if node.outputsSize() == 1:
            return [result]
        return list(result) if node.outputsSize() else []

    def _given(self, node: Any) -> list[Any]:
        return [self._known[value.debugName()] for value in node.inputs()]

    def _attribute(self, owner: Any, name: str) -> Any:
        """Looked up once, so that a weight is always the same tensor."""
        if isinstance(owner, (Value, Tensor)):
            raise Unreadable("an attribute of what is in the image")
        if not isinstance(owner, _Module):
            return getattr(owner, name)  # one of the program's own objects, which hold settings
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
            self._turns += 1
            if self._turns > _MOST_TURNS:
                raise Unreadable("a loop runs for too long")
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
            return self._of_containers(name, given)
        if namespace != "aten":
            raise Unreadable(f"the construct {kind}")
        overload = node.schema().partition("(")[0].partition(".")[2]
        return self._operator(name, overload, given)

    @staticmethod
    def _of_containers(name: str, given: list[Any]) -> Any:
        if name == "mul" and len(given[0]) * given[1] > _LONGEST:
            raise Unreadable("a list grows without end")
        result = OF_CONTAINERS[name](*given)
        if isinstance(result, list) and len(result) > _LONGEST:
            raise Unreadable("a list grows without end")
        return result

    def _operator(self, name: str, overload: str, given: list[Any]) -> Any:
        if name in _NUMBERS:
            return self._number(name, given[0])
        found = operator("aten", name, overload)
        if name in _ARITHMETIC and all(isinstance(value, (int, float)) for value in given):
            return found.overload(*given)
        declared = found.overload._schema.arguments
        plain = [argument for argument in declared if not argument.kwarg_only]
        arguments = [_typed(argument.real_type, value) for argument, value in zip(declared, given, strict=False)]
        named = {
            argument.name: value for argument, value in zip(declared, arguments, strict=False) if argument.kwarg_only
        }
        call = found.call(arguments[: len(plain)], named)
        if is_random(call.function, call.args, call.kwargs):
            raise other_each_time(Step(call.function, call.args))
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


def _constant(_reader: _Reader, node: Any) -> list[Any]:
    # A function is a constant too, and is looked up by its name where it is called.
    return [None if node.output().type().kind() == "FunctionType" else node.output().toIValue()]


def _dictionary(reader: _Reader, node: Any) -> list[Any]:
    given = reader._given(node)
    return [dict(zip(given[::2], given[1::2], strict=True))]


_OF_NODES: dict[str, Callable[[_Reader, Any], Sequence[Any]]] = {
    "prim::If": _Reader._if,
    "prim::Loop": _Reader._loop,
    "prim::Constant": _constant,
    "prim::GetAttr": lambda reader, node: [reader._attribute(reader._given(node)[0], node.s("name"))],
    "prim::CallMethod": lambda reader, node: [reader._method(node)],
    "prim::CallFunction": lambda reader, node: [reader._function(node)],
    "prim::ListConstruct": lambda reader, node: [list(reader._given(node))],
    "prim::TupleConstruct": lambda reader, node: [tuple(reader._given(node))],
    "prim::DictConstruct": _dictionary,
    "prim::ListUnpack": lambda reader, node: list(reader._given(node)[0]),
    "prim::TupleUnpack": lambda reader, node: list(reader._given(node)[0]),
}
