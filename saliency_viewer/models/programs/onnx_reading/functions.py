"""Operators that an ONNX file defines itself, as functions: put in the places where they are used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from saliency_viewer.errors import UserError

_MOST = 2**28  # bytes of operators; the largest classifiers have some hundred thousand
_DEEPEST = 50  # functions that use each other

Bodies = Mapping[tuple[str, str, str], Iterable[Any]]


def inlined(model: Any) -> Any:
    """The ``ModelProto`` without functions of its own.

    Functions that use each other twice over become more than any memory holds, and some use themselves without end:
    :class:`UserError`, before anything is copied. Raises whatever the library does for damaged ones.
    """
    if not model.functions:
        return model
    import onnx.inliner

    bodies = {(one.domain, one.name, getattr(one, "overload", "")): one.node for one in model.functions}
    if _size(model.graph.node, bodies, {}, 0) > _MOST:
        raise UserError(
            "The functions in the ONNX file use each other without end, or become too many operators.",
            "Export the network again, without functions.",
        )
    return onnx.inliner.inline_local_functions(model)


def _size(nodes: Iterable[Any], bodies: Bodies, known: dict[Any, float], depth: int) -> float:
    """Bytes of the nodes with all functions in their places; infinite where there is no end."""
    if depth > _DEEPEST:
        return math.inf
    total = 0.0
    for node in nodes:
        key = (node.domain, node.op_type, getattr(node, "overload", ""))
        if key in bodies:
            if key not in known:
                known[key] = math.inf  # what is met again while it is being measured uses itself
                known[key] = _size(bodies[key], bodies, known, depth + 1)
            total += known[key]
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                total += _size(graph.node, bodies, known, depth + 1)
        total += node.ByteSize()
    return total
