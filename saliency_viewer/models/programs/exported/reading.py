"""The JSON graph of an exported program as steps."""

from __future__ import annotations

import json
import math
import operator as python
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.aten import Call, Operator, operator
from saliency_viewer.models.programs.exported.archive import DTYPES, Archive
from saliency_viewer.models.programs.exported.sizes import OF_SIZES
from saliency_viewer.models.programs.faults import MISTAKES, damaged
from saliency_viewer.models.programs.steps import OnDevice, Program, Scope, Step, Value, Weight

_LAID_OUT = "torch.ops.aten.as_strided.default"
_CHECKS = frozenset({"_assert_scalar", "_assert_async", "_assert_tensor_metadata", "sym_constrain_range"})
_CHECKS |= {"sym_constrain_range_for_size", "_functional_assert_async"}
_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
_CONSTANT_INPUTS = ("as_int", "as_float", "as_bool", "as_none", "as_string")


def read_exported(content: bytes, wanted: tuple[int, ...]) -> tuple[Program, tuple[int, ...]]:
    """The program in a .pt2 file, and the shape of an input that it takes: ``wanted``, or with a fixed batch.

    Raises :class:`UserError` for damaged files, for those that would run anything but torch's operators, and for
    programs that take inputs of another shape than ``wanted``, (1, ...).
    """
    archive = Archive(content)
    written = archive.program()
    try:
        reader = _Reader(written["graph_module"], archive.tensors())
        program = reader.program()
    except MISTAKES as error:
        raise damaged("an exported program", error) from error
    _require_fit(reader.sizes[1:], wanted[1:])
    return program, (reader.sizes[0] or wanted[0], *wanted[1:])


def _require_fit(sizes: Sequence[int | None], wanted: Sequence[int]) -> None:
    free = len(sizes) == len(wanted) and all(size in (None, one) for size, one in zip(sizes, wanted, strict=True))
    if not free:
        described = " x ".join("any" if size is None else str(size) for size in sizes)
        raise UserError(
            f"The program was exported for inputs of {described}, and model.toml describes "
            f"{' x '.join(map(str, wanted))} (channels, size).",
            "Write its channels and size under [input], or export it again for that size.",
        )


class _Reader:
    def __init__(self, module: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self._graph = module["graph"]
        self._module = module
        self._tensors = tensors
        self._known: dict[str, Any] = {}
        self._steps: list[Step] = []
        self.sizes: tuple[int | None, ...] = ()  # of the input; None for free ones

    def program(self) -> Program:
        inputs: list[Value] = []
        parameters: set[str] = set()
        for spec in self._module["signature"]["input_specs"]:
            kind, entry = _only(spec)
            self._input(kind, entry, inputs, parameters)
        if len(inputs) != 1:
            raise UserError(
                f"The exported program takes {len(inputs)} tensors, and an image is one.",
                "Export a module whose forward takes the image alone.",
            )
        for node in self._graph["nodes"]:
            self._node(node)
        return Program(tuple(inputs), self._steps, self._output(), self._tensors, frozenset(parameters))

    def _input(self, kind: str, entry: dict[str, Any], inputs: list[Value], parameters: set[str]) -> None:
        names = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
        if kind in names:
            name = str(entry[names[kind]])
            if name not in self._tensors:
                raise UserError(f"The exported program has no values for its weight '{name}'.", "Export it again.")
            self._known[entry["arg"]["name"]] = Weight(name)
            if kind == "parameter":
                parameters.add(name)
        elif kind == "user_input" and _only(entry["arg"])[0] == "as_tensor":
            inputs.append(Value())
            name = entry["arg"]["as_tensor"]["name"]
            self._known[name] = inputs[-1]
            sizes = self._graph["tensor_values"][name]["sizes"]
            self.sizes = tuple(int(size["as_int"]) if "as_int" in size else None for size in sizes)
        elif kind == "constant_input":
            self._known[str(entry["name"])] = _constant(entry["value"])
        elif kind == "user_input":
            if _only(entry["arg"])[0] not in _CONSTANT_INPUTS:
                raise UserError("The exported program takes a number besides the image.", "Export it without.")
        else:
            raise UserError(
                f"The exported program holds a Python object ('{kind}'), which could run any code.",
                "Export a network that has plain tensors only, and no custom objects.",
            )

    def _node(self, node: dict[str, Any]) -> None:
        target = str(node["target"])
        found = _target(target)
        if found is None:
            return
        inputs = [(str(entry["name"]), self._argument(entry["arg"])) for entry in node["inputs"]]
        if isinstance(found, Operator):
            named = {name: argument for name, argument in inputs if name}
            call = found.call([argument for name, argument in inputs if not name], named)
        else:
            call = Call(found, tuple(argument for _, argument in inputs))
        if target == _LAID_OUT:
            self._require_row_major(node)
            call = Call(torch.reshape, call.args[:2])
        step = Step(call.function, call.args, call.kwargs, _scopes(node.get("metadata", {})))
        self._steps.append(step)
        self._name_results(node["outputs"][: 1 if call.only_first else None], step)

    def _require_row_major(self, node: dict[str, Any]) -> None:
        """Look at memory layouts, which a view by strides depends on: row-major ones it only reshapes."""
        names = [node["inputs"][0]["arg"]["as_tensor"]["name"], node["outputs"][0]["as_tensor"]["name"]]
        given, made = (self._graph["tensor_values"][name] for name in names)
        counts = [math.prod(_example(size) for size in meta["sizes"]) for meta in (given, made)]
        if not (_row_major(given) and _row_major(made)) or counts[0] != counts[1]:
            raise UserError(
                "The exported program reads memory by strides ('aten::as_strided'), which this program does not do.",
                "Export it without run_decompositions.",
            )

    def _name_results(self, outputs: list[dict[str, Any]], step: Step) -> None:
        kinds = [_only(output) for output in outputs]
        if len(kinds) == 1 and kinds[0][0] != "as_tensors":
            self._known[_name(*kinds[0])] = step.result
            return
        several = [("as_tensor", item) for kind, item in kinds if kind == "as_tensors" for item in item] or kinds
        for number, (kind, item) in enumerate(several):
            if kind == "as_none":
                continue
            part = Step(python.getitem, (step.result, number), scopes=step.scopes)
            self._steps.append(part)
            self._known[_name(kind, item)] = part.result

    def _argument(self, arg: dict[str, Any]) -> Any:
        kind, item = _only(arg)
        if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
            return self._one(item)
        if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return [self._one(entry) for entry in item]
        if kind in ("as_float", "as_floats"):
            return (
                float(item) if kind == "as_float" else [float(entry) for entry in item]
            )  # "-Infinity" is text in JSON
        if kind in ("as_int", "as_bool", "as_string", "as_ints", "as_bools"):
            return item
        if kind == "as_none":
            return None
        if kind == "as_scalar_type":
            return DTYPES[item]
        if kind == "as_memory_format":
            return _FORMATS[item]
        if kind == "as_layout":
            return torch.strided
        if kind == "as_device":
            return OnDevice()
        raise UserError(
            f"The exported program has an argument of the kind '{kind}', which this program does not run.",
            "Export a network without control flow and without custom operators.",
        )

    def _one(self, item: dict[str, Any]) -> Any:
        """A value by its name, or a plain number in its place."""
        if "name" in item:
            return self._known[item["name"]]
        kind, inner = _only(item)
        if kind in ("as_tensor", "as_name"):
            return self._known[inner if kind == "as_name" else inner["name"]]
        return None if kind == "as_none" else inner

    def _output(self) -> Any:
        """The user's outputs in the structure that the network returned them in."""
        found = []
        for spec, output in zip(self._module["signature"]["output_specs"], self._graph["outputs"], strict=True):
            kind, _ = _only(spec)
            if kind == "buffer_mutation":
                raise UserError(
                    "The network was exported in training mode: it changes its own statistics with every image.",
                    "Export it again after network.eval().",
                )
            if kind == "user_output":
                found.append(self._argument(output))
        calls = self._module.get("module_call_graph", [])
        spec = next(
            (call["signature"]["out_spec"] for call in calls if not call["fqn"] and call.get("signature")), None
        )
        given = iter(found)
        structure = _structure(json.loads(spec)[1], given) if spec else found[0]
        return structure if next(given, None) is None else tuple(found)


def _target(target: str) -> Operator | Callable[..., Any] | None:
    """What a node calls; None for checks of sizes, which are made elsewhere. Raises :class:`UserError`."""
    if target in OF_SIZES:
        return OF_SIZES[target]
    parts = target.split(".")
    if parts[:2] == ["torch", "ops"] and len(parts) == 5 and parts[2] != "higher_order":
        return None if parts[2] == "aten" and parts[3] in _CHECKS else operator(parts[2], parts[3], parts[4])
    if parts[:3] == ["torch", "ops", "higher_order"]:
        raise UserError(
            f"The exported program holds the construct '{parts[3]}' (a branch, a loop, or a part without gradient), "
            "which this program does not run.",
            "Export a network whose forward is straight, without torch.no_grad or torch.cond.",
        )
    raise UserError(
        "The exported program calls something that is no operator of torch, so it was not run.",
        "Export it again, and without custom operators.",
        f"target {target[:80]}",
    )


def _row_major(meta: dict[str, Any]) -> bool:
    """Whether elements lie in memory in the order of their indices, without gaps."""
    expected = 1
    for size, stride in reversed([*zip(meta["sizes"], meta["strides"], strict=True)]):
        if _example(size) != 1 and _example(stride) != expected:
            return False
        expected *= _example(size)
    return True


def _scopes(metadata: dict[str, str]) -> tuple[Scope, ...]:
    """The module calls around a node: ``key,path,class`` joined by semicolons, the network itself first."""
    found: list[Scope] = []
    around = ""
    for item in filter(None, metadata.get("nn_module_stack", "").split(";")):
        parts = item.split(",")
        if len(parts) < 3 or not parts[1]:
            continue
        path, _, _ = parts[1].partition("@")
        below = path.removeprefix(f"{around}.") if around else path
        found.append(Scope(below, parts[2].rpartition(".")[2], parts[0] + parts[1]))
        around = path
    return tuple(found)


def _structure(spec: dict[str, Any], given: Any) -> Any:
    """Outputs in their containers; named tuples and the like become tuples."""
    kind, children = spec["type"], spec["children_spec"]
    if kind is None:
        return next(given)
    parts = [_structure(child, given) for child in children]
    if kind in ("builtins.dict", "collections.OrderedDict"):
        return dict(zip(map(str, json.loads(spec["context"])), parts, strict=True))
    return tuple(parts)


def _only(union: dict[str, Any]) -> tuple[str, Any]:
    """The one member of a union; older files write the others too, empty."""
    filled = [(kind, item) for kind, item in union.items() if item is not None]
    if len(filled) != 1:
        raise ValueError("a union with several members")
    return filled[0]


def _name(kind: str, item: Any) -> str:
    return str(item["name"] if kind == "as_tensor" else item["as_name"])


def _constant(value: dict[str, Any]) -> Any:
    kind, item = _only(value)
    return None if kind == "as_none" else item


def _example(size: dict[str, Any]) -> int:
    """A size, or for a free one that of the example."""
    if "as_int" in size:
        return int(size["as_int"])
    hint = size["as_expr"].get("hint") or {}
    return int(hint.get("as_int", 0))
