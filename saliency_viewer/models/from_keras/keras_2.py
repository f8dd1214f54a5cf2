"""Operators in networks of Keras 2 ("TFOpLambda", "SlicingOpLambda") as the operations of Keras 3.

Keras 2 kept an operator of TensorFlow as a layer with the function's name, and its arguments in the node: of a tensor
``["layer", node, index]``, of a constant the number. Keras 3 has the same operators as classes but cannot read these.
Source: the layer classes in keras 2.x, ``keras/layers/core/tf_op_layer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from saliency_viewer.errors import UserError

_Arguments = list[Any]


def _two(names: tuple[str, str]) -> Callable[[_Arguments, Mapping[str, Any]], tuple[_Arguments, dict[str, Any]]]:
    """Of two operands the second may be given by name."""

    def read(first: _Arguments, given: Mapping[str, Any]) -> tuple[_Arguments, dict[str, Any]]:
        return [*first[:1], given[names[1]] if names[1] in given else first[1]], {}

    return read


def _one(first: _Arguments, _given: Mapping[str, Any]) -> tuple[_Arguments, dict[str, Any]]:
    return first[:1], {}


def _mean(first: _Arguments, given: Mapping[str, Any]) -> tuple[_Arguments, dict[str, Any]]:
    return first[:1], {"axis": given.get("axis"), "keepdims": bool(given.get("keepdims", False))}


def _concat(first: _Arguments, given: Mapping[str, Any]) -> tuple[_Arguments, dict[str, Any]]:
    return [given.get("values", first)], {"axis": given.get("axis", -1)}


def _slices(first: _Arguments, given: Mapping[str, Any]) -> tuple[_Arguments, dict[str, Any]]:
    return [first[0], [_slice(entry) for entry in given["slice_spec"]]], {}


def _slice(entry: Any) -> Any:
    """One part of ``x[...]`` as Keras 3 writes it."""
    if isinstance(entry, Mapping) and "start" in entry:
        return {"class_name": "__slice__", "config": {key: entry.get(key) for key in ("start", "stop", "step")}}
    if entry == "..." or (isinstance(entry, Mapping) and entry.get("class_name") == "__ellipsis__"):
        return _ELLIPSIS
    return entry


def _reverses_channels(slices: Any) -> bool:
    """``x[..., ::-1]``, from RGB to BGR. Keras on its torch backend has no negative steps, but ``flip``."""
    *before, last = [_slice(entry) for entry in slices]
    return last == _range(-1) and all(entry in (_ELLIPSIS, _range(None)) for entry in before)


def _range(step: int | None) -> dict[str, Any]:
    return {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": step}}


_ELLIPSIS: dict[str, Any] = {"class_name": "__ellipsis__", "config": {}}
_PAIR = _two(("x", "y"))
# The function of TensorFlow, the module and class of Keras 3, how arguments are read, which of them make the class.
_FUNCTIONS: tuple[tuple[tuple[str, ...], str, str, Callable[..., Any]], ...] = (
    (("math.add", "__operators__.add", "add"), "numpy", "Add", _PAIR),
    (("math.subtract", "__operators__.subtract", "subtract"), "numpy", "Subtract", _PAIR),
    (("math.multiply", "__operators__.multiply", "multiply"), "numpy", "Multiply", _PAIR),
    (("math.truediv", "math.divide", "__operators__.truediv", "divide"), "numpy", "TrueDivide", _PAIR),
    (("math.maximum",), "numpy", "Maximum", _PAIR),
    (("math.minimum",), "numpy", "Minimum", _PAIR),
    (("nn.bias_add",), "numpy", "Add", _two(("value", "bias"))),
    (("__operators__.getitem",), "numpy", "GetItem", _slices),
    (("flip",), "numpy", "Flip", lambda first, _: (first[:1], {"axis": -1})),
    (("math.reduce_mean",), "numpy", "Mean", _mean),
    (("concat",), "numpy", "Concatenate", _concat),
    (("nn.relu",), "nn", "Relu", _one),
    (("nn.relu6",), "nn", "Relu6", _one),
    (("nn.silu", "nn.swish"), "nn", "Silu", _one),
    (("math.sigmoid", "nn.sigmoid", "sigmoid"), "nn", "Sigmoid", _one),
    (("math.tanh", "nn.tanh", "tanh"), "numpy", "Tanh", _one),
)
_KINDS = ("TFOpLambda", "SlicingOpLambda")


def modern_nodes(value: Any) -> Any:
    """A network's description with these layers replaced; everything else stays.

    Raises :class:`UserError` for an operator that is not in the table above.
    """
    if isinstance(value, list):
        return [modern_nodes(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") in _KINDS:
        return _operation(value)
    return {key: modern_nodes(item) for key, item in value.items()}


def _operation(entry: Mapping[str, Any]) -> dict[str, Any]:
    name = str((entry.get("config") or {}).get("function"))
    slices = [call[3].get("slice_spec") for call in entry.get("inbound_nodes", ()) if len(call) > 3]
    if slices and all(found and _reverses_channels(found) for found in slices):
        name = "flip"
    found = next((row for row in _FUNCTIONS if name in row[0]), None)
    if found is None:
        raise UserError(
            "The Keras 2 file calls an operator of TensorFlow that this program does not know.",
            "Load the file in TensorFlow with Keras 3 (TF_USE_LEGACY_KERAS unset) and save it as .keras.",
            f"operator {name[:60]}",
        )
    _, module, kind, read = found
    config: dict[str, Any] = {"name": entry.get("name")}
    nodes = []
    for node in entry.get("inbound_nodes", ()):
        # Either one call ["layer", node, index, arguments], or a list of them for several tensors.
        calls = [node] if node and isinstance(node[0], str) else list(node)
        given = {key: _tensor(value) for call in calls if len(call) > 3 for key, value in call[3].items()}
        arguments, settings = read([_tensor(call[:3]) for call in calls], given)
        config |= settings
        nodes.append({"args": arguments, "kwargs": {}})
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": kind,
        "config": config,
        "registered_name": kind,
        "name": entry.get("name"),
        "inbound_nodes": nodes,
    }


def _tensor(value: Any) -> Any:
    """``["layer", node, index]`` as Keras 3 writes it, a list of numbers as an array; anything else stays."""
    if not isinstance(value, list) or not value:
        return value
    if len(value) == 3 and isinstance(value[0], str):
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None], "dtype": "float32", "keras_history": value},
        }
    if all(isinstance(item, (int, float)) for item in value):
        return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
    return [_tensor(item) for item in value]
