"""Names of layers from an ONNX file: exporters leave the modules around every node in its name or its metadata."""

from __future__ import annotations

import ast
import itertools
from typing import Any

from saliency_viewer.models.programs.steps import Scope

_LONGEST = 4000  # characters of metadata that are looked at
_DEEPEST = 50  # modules inside each other; Python follows some hundreds


class Names:
    """Gives every node the modules that it stands in."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def scopes(self, node: Any) -> tuple[Scope, ...]:
        """The modules, the outermost first. A node that says nothing usable is a module of its own."""
        found = self._said(node)
        if found is None or sum(scope.path.count(".") + 1 for scope in found) > _DEEPEST:
            return (Scope(f"{node.op_type}_{next(self._count)}"),)
        return found

    def _said(self, node: Any) -> tuple[Scope, ...] | None:
        metadata = {entry.key: entry.value for entry in getattr(node, "metadata_props", ())}
        paths = _listed(metadata.get("pkg.torch.onnx.name_scopes", ""))
        if len(paths) > 1:
            kinds = _listed(metadata.get("pkg.torch.onnx.class_hierarchy", ""))[: len(paths) - 1]
            return _relative(_unfolded(paths[:-1], kinds, node), kinds)
        parts = [part for part in node.name.split("/") if part]
        if node.name.startswith("/"):  # as torch's older exporter writes the modules around a node
            return _relative(list(itertools.accumulate(parts[:-1], _below)), [])
        if len(parts) > 1:  # names of layers, as converters from TensorFlow write them: no calls of modules
            return (Scope(".".join(parts[:-1])),)
        return (Scope(parts[0]),) if parts else None


def _below(around: str, part: str) -> str:
    """The path of a module; members of a sequence repeat its name: ``layer1`` and ``layer1.0``."""
    sequence, _, member = part.rpartition(".")
    inside = sequence and (around == sequence or around.endswith(f".{sequence}"))
    return f"{around}.{member if inside else part}"


def _unfolded(paths: list[str], kinds: list[str], node: Any) -> list[str]:
    """The paths with the convolution in the place of the normalisation that the exporter folded into it."""
    weight = node.input[1] if len(node.input) > 1 else ""
    layer = weight.removesuffix(".weight")
    folded = layer != weight and len(kinds) == len(paths) and "Norm" in kinds[-1] and "Norm" not in node.op_type
    beside = layer.rpartition(".")[0] == paths[-1].rpartition(".")[0]
    return [*paths[:-1], layer] if folded and beside else paths


def _relative(paths: list[str], kinds: list[str]) -> tuple[Scope, ...]:
    found: list[Scope] = []
    around = ""
    for position, path in enumerate(paths):
        if not path or path == around:
            continue
        below = path.removeprefix(f"{around}.") if around else path
        kind = kinds[position].rpartition(".")[2] if len(kinds) == len(paths) else ""
        found.append(Scope(below, kind, path))
        around = path
    return tuple(found)


def _listed(text: str) -> list[str]:
    """A list of words written as in Python; empty for anything else."""
    if not text or len(text) > _LONGEST:
        return []
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [str(word) for word in found] if isinstance(found, (list, tuple)) else []
