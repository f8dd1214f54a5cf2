"""Reading from names and shapes which layers somebody put in the place of a network's head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from saliency_viewer.models.recognition.blueprints import Blueprint
from saliency_viewer.models.recognition.shapes import Shape, Shapes, under

_AFTER_LAYER = ("relu", "dropout")  # what people put, in this order, between two layers with weights
_MOST_GAPS = 4

_UNSEEN = (*_AFTER_LAYER, "identity")

ASSUMED = "What has no weights cannot be seen in the file: ReLU and dropout are assumed between the layers of the head."
UNCLEAR = (
    "The layers that were put in the place of its head are not clear from the file: describe them with the argument "
    'head, or bring the network\'s own code with architecture = "python:FILE.py:CLASS".'
)


def head_arguments(shapes: Shapes, plan: Blueprint) -> tuple[dict[str, Any], int] | None:
    """Arguments that give ``plan``'s network the head in ``shapes``, and its number of outputs.

    None when its layers cannot be told.
    """
    outputs = _plain_outputs(shapes, plan)
    if outputs:
        return {"num_classes": outputs}, outputs
    for path in _places(plan.head):
        layers = _layers(under(shapes, path))
        if layers is not None:
            outputs = _outputs(layers)
            return {"head": {path: layers}}, outputs
    return None


def is_assumed(arguments: Mapping[str, Any]) -> bool:
    """Whether layers without weights were put into the head."""
    for layers in arguments.get("head", {}).values():
        words = layers.values() if isinstance(layers, Mapping) else layers
        if not isinstance(layers, str) and any(word in _UNSEEN for word in words):
            return True
    return False


def _plain_outputs(shapes: Shapes, plan: Blueprint) -> int:
    """The number of outputs when nothing but that was changed; else 0."""
    own, found = plan.shapes[f"{plan.head}.weight"], shapes.get(f"{plan.head}.weight", ())
    return found[0] if len(found) == len(own) and found[1:] == own[1:] else 0


def _places(head: str) -> Iterator[str]:
    """The path of the last linear layer and those of the modules around it, from inside out."""
    while head:
        yield head
        head = head.rpartition(".")[0]


def _layers(weights: Shapes) -> str | list[str] | dict[str, str] | None:
    """The layers with these weights, as the argument ``head`` writes them; None when they make no chain."""
    if not weights:
        return None
    if "weight" in weights:
        word = _word(weights)
        return word if word and word.startswith("linear") else None
    groups: dict[str, dict[str, Shape]] = {}
    for key, shape in weights.items():
        name, _, rest = key.partition(".")
        groups.setdefault(name, {})[rest] = shape
    words = {name: _word(group) for name, group in groups.items()}
    if not all(words.values()) or not _is_chain(groups):
        return None
    if all(name.isdigit() for name in words):
        return _with_gaps({int(name): word or "" for name, word in words.items()})
    return _with_activations({name: word or "" for name, word in words.items()})


def _word(weights: Shapes) -> str | None:
    """The layer with exactly these weights."""
    shape = weights.get("weight", ())
    names = weights.keys()
    if len(shape) == 2 and names == {"weight", "bias"} and weights["bias"] == shape[:1]:
        return f"linear {shape[0]}"
    if len(shape) == 1 and names == {"weight", "bias", "running_mean", "running_var"}:
        return "batchnorm"
    return "layernorm" if len(shape) == 1 and names == {"weight", "bias"} else None


def _is_chain(groups: Mapping[str, Shapes]) -> bool:
    """Whether each layer takes as many features as the one before gives, ending in a linear layer."""
    order = (
        sorted(groups.items(), key=lambda item: int(item[0])) if all(n.isdigit() for n in groups) else groups.items()
    )
    features = 0
    last: Shape = ()
    for _, group in order:
        last = group["weight"]
        if features and last[-1] != features:
            return False
        features = last[0]
    return len(last) == 2


def _with_gaps(words: Mapping[int, str]) -> list[str] | None:
    """The layers in a row, with what people usually put at the numbers that have no weights."""
    row: list[str] = []
    since: int | None = None  # layers without weights since the last one with them
    for position in range(max(words) + 1):
        if position in words:
            row.append(words[position])
            since = 0
            continue
        usual = ("dropout",) if since is None else _AFTER_LAYER[since:]
        row.append(usual[0] if usual else "identity")
        since = None if since is None else since + 1
    return row if len(row) - len(words) <= _MOST_GAPS * len(words) else None


def _with_activations(words: Mapping[str, str]) -> dict[str, str]:
    """Named layers, with a ReLU between two linear ones."""
    made: dict[str, str] = {}
    for name, word in words.items():
        if made and word.startswith("linear"):
            made[f"relu_{len(made)}"] = "relu"
        made[name] = word
    return made


def _outputs(layers: str | list[str] | dict[str, str]) -> int:
    words = [layers] if isinstance(layers, str) else list(layers.values() if isinstance(layers, dict) else layers)
    return int(next(word for word in reversed(words) if word.startswith("linear")).split()[1])
