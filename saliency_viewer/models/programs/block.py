"""A program as a tree of modules with the names that its author gave them."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.programs.native import native
from saliency_viewer.models.programs.steps import (
    OnDevice,
    Program,
    Scope,
    Step,
    Value,
    Weight,
    keys_in,
    last_uses,
    leaves,
    mapped,
)


class Block(nn.Module):
    """A module that runs steps, some of which are modules themselves.

    Attributes
    ----------
    kind:
        The class that it had in the program's source, or the operator that it is.
    """

    def __init__(self, kind: str, inputs: Sequence[Value]) -> None:
        super().__init__()
        self.kind = kind
        self._inputs = [value.key for value in inputs]
        self._steps: list[Step] = []
        self._output: Any = None
        self._ends: dict[int, list[int]] = {}

    def forward(self, *inputs: Any) -> Any:
        """The steps in their order. Values are let go as soon as no step needs them."""
        known: dict[int, Any] = dict(zip(self._inputs, inputs, strict=True))
        device = next((given.device for given in inputs if isinstance(given, Tensor)), None)

        def of(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                return known[leaf.key]
            if isinstance(leaf, Weight):
                return getattr(self, leaf.name)
            return device if isinstance(leaf, OnDevice) else leaf

        for position, step in enumerate(self._steps):
            known[step.result.key] = step.function(*mapped(step.args, of), **mapped(step.kwargs, of))
            for key in self._ends.get(position, ()):
                known.pop(key, None)
        return mapped(self._output, of)

    def _append(self, step: Step) -> None:
        self._steps.append(step)

    def _finish(self, output: Any) -> None:
        self._output = output
        uses = [[value.key for value in step.values()] for step in self._steps]
        self._ends = last_uses(uses, keys_in(output))

    @property
    def ending(self) -> str:
        """``softmax`` or ``sigmoid`` where that is the last step, over the classes; else empty."""
        _, last = self._last()
        if last is None or last.name not in ("softmax", "sigmoid"):
            return ""
        axis = last.args[1] if len(last.args) > 1 else last.kwargs.get("dim")
        return last.name if last.name == "sigmoid" or axis in (1, -1) else ""

    def end_in_logits(self) -> None:
        """Take the :attr:`ending` off."""
        owner, last = self._last()
        if self.ending and last is not None:
            owner._steps.remove(last)
            owner._finish(last.args[0])

    def _last(self) -> tuple[Block, Step | None]:
        """The step that gives the answer, and the block in which it stands."""
        made = (step for step in self._steps if isinstance(self._output, Value) and step.result == self._output)
        last = next(made, None)
        return last.function._last() if last is not None and isinstance(last.function, Block) else (self, last)

    def extra_repr(self) -> str:
        """The class it stands for."""
        return self.kind


class FixedBatch(Block):
    """A program that takes only a certain number of images at a time: longer batches are taken apart."""

    def __init__(self, size: int, inputs: Sequence[Value]) -> None:
        super().__init__("Program", inputs)
        self._size = size

    def forward(self, *inputs: Any) -> Any:
        """(N, ...) to what the parts give, joined; the last part is filled up with its own last image."""
        (images,) = inputs
        found = []
        for part in images.split(self._size):
            missing = self._size - len(part)
            whole = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
            found.append(super().forward(whole))
        return self._joined(found, len(images))

    def _joined(self, outputs: list[Any], count: int) -> Any:
        """The same output of several runs in one, (count, ...); what has no axis for images is the first run's."""
        first = outputs[0]
        if isinstance(first, Tensor) and first.ndim and len(first) == self._size:
            return torch.cat(outputs)[:count] if len(outputs) > 1 else first[:count]
        if isinstance(first, dict):
            return {key: self._joined([output[key] for output in outputs], count) for key in first}
        if isinstance(first, (list, tuple)):
            return type(first)(self._joined(list(parts), count) for parts in zip(*outputs, strict=True))
        return first


def build_tree(program: Program, batch: int = 0, axes: Mapping[int, int] | None = None) -> Block:
    """The program as modules: one for each module call, at its path.

    ``batch``: the only one it takes, 0 for any. ``axes``: how many each value has, by its key, where that is known.

    Of several calls of one module the last one has its plain name, as layers are read at their last call; those before
    get marks (``relu@1``).
    """
    root = FixedBatch(batch, program.inputs) if batch else Block("Program", program.inputs)
    return _Builder(program, axes or {}).fill(root, program.steps, 0, program.output)


class _Builder:
    def __init__(self, program: Program, axes: Mapping[int, int]) -> None:
        self._program = program
        self._axes = axes
        self._tensors: dict[str, Tensor] = {}

    def fill(self, block: Block, steps: Sequence[Step], depth: int, output: Any) -> Block:
        """Put the steps, all of which stand in the same ``depth`` modules, into a module."""
        groups = _grouped(steps, depth)
        needed = _needed_later(groups, keys_in(output))
        calls = Counter(scope.path for scope, _ in groups if scope is not None)
        seen: Counter[str] = Counter()
        for (scope, group), later in zip(groups, needed, strict=True):
            if scope is None:
                for step in group:
                    block._append(self._owned(block, step))
                continue
            seen[scope.path] += 1
            last = seen[scope.path] == calls[scope.path]
            path = _safe(scope.path) + ("" if last else f"@{seen[scope.path]}")
            self._call(block, path, scope.kind, group, depth + 1, later)
        block._finish(output)
        return block

    def _call(self, block: Block, path: str, kind: str, steps: Sequence[Step], depth: int, later: set[int]) -> None:
        """Put the steps into a module below ``block``, and a step that calls it."""
        whole = steps[0] if len(steps) == 1 and len(steps[0].scopes) == depth else None
        single = None if whole is None else native(whole, self._axes.get(whole.result.key), self._tensor)
        if whole is not None and single is not None:
            _place(block, path, single)
            block._append(Step(single, whole.args[:1], result=whole.result))
            return
        made = {step.result.key for step in steps}
        inputs = list({value.key: value for step in steps for value in step.values() if value.key not in made}.values())
        outputs = [step.result for step in steps if step.result.key in later]
        kind = kind or ("Block" if whole is None else whole.name)
        child = self.fill(Block(kind, inputs), steps, depth, outputs[0] if len(outputs) == 1 else tuple(outputs))
        _place(block, path, child)
        if len(outputs) == 1:
            block._append(Step(child, tuple(inputs), result=outputs[0]))
            return
        several = Step(child, tuple(inputs))
        block._append(several)
        for number, output in enumerate(outputs):
            block._append(Step(operator.getitem, (several.result, number), result=output))

    def _owned(self, block: Block, step: Step) -> Step:
        """The step with its weights as the block's own attributes."""
        names = {leaf.name: "" for leaf in leaves((step.args, step.kwargs)) if isinstance(leaf, Weight)}
        for name in names:
            names[name] = self._register(block, name)
        args, kwargs = mapped(
            (step.args, step.kwargs), lambda leaf: Weight(names[leaf.name]) if isinstance(leaf, Weight) else leaf
        )
        return Step(step.function, args, kwargs, result=step.result)

    def _tensor(self, name: str) -> Tensor:
        """A tensor of the file, always the same object: parameters that layers share stay shared."""
        tensor = self._tensors.get(name)
        if tensor is None:
            tensor = self._program.weights[name]
            if name in self._program.parameters and tensor.is_floating_point():
                tensor = nn.Parameter(tensor, requires_grad=False)
            self._tensors[name] = tensor
        return tensor

    def _register(self, block: Block, name: str) -> str:
        """Make a tensor the block's own, and give the name that it has there."""
        tensor = self._tensor(name)
        local = re.sub(r"\W", "_", name.rpartition(".")[2]) or "weight"
        while hasattr(block, local) and getattr(block, local) is not tensor:
            local += "_"
        if isinstance(tensor, nn.Parameter):
            block.register_parameter(local, tensor)
        else:
            block.register_buffer(local, tensor)
        return local


def _grouped(steps: Sequence[Step], depth: int) -> list[tuple[Scope | None, list[Step]]]:
    """Neighbours in the same module call together; None for steps that stand in no deeper module."""
    groups: list[tuple[Scope | None, list[Step]]] = []
    for step in steps:
        scope = step.scopes[depth] if len(step.scopes) > depth else None
        if not groups or groups[-1][0] != scope:
            groups.append((scope, []))
        groups[-1][1].append(step)
    return groups


def _needed_later(groups: list[tuple[Scope | None, list[Step]]], output: set[int]) -> list[set[int]]:
    """For each group the keys that later groups, or the output, take."""
    found: list[set[int]] = []
    later = set(output)
    for _, steps in reversed(groups):
        found.append(set(later))
        later.update(value.key for step in steps for value in step.values())
    return found[::-1]


def _safe(path: str) -> str:
    """A path that attributes can have."""
    return ".".join(part or "_" for part in re.sub(r"[^\w.@-]", "_", path).split("."))


def _place(block: Block, path: str, child: nn.Module) -> None:
    """Put the child at its path below ``block``, with containers on the way; a taken place gets a mark."""
    parent: nn.Module = block
    *containers, name = path.split(".")
    for part in containers:
        if part not in parent._modules:
            part = _free(parent, part)
            parent.add_module(part, nn.Module())
        parent = parent.get_submodule(part)
    parent.add_module(_free(parent, name), child)


def _free(parent: nn.Module, name: str) -> str:
    """A name that the module does not use yet."""
    while hasattr(parent, name):
        name += "_"
    return name
