"""Torchvision's classifiers behind a state dict, with their usual changes: classes, first convolution, head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from saliency_viewer.models.architectures.of_torchvision import AUXILIARY
from saliency_viewer.models.recognition.blueprints import Blueprint, blueprint
from saliency_viewer.models.recognition.candidate import Candidate, fitted
from saliency_viewer.models.recognition.heads import ASSUMED, UNCLEAR, head_arguments, is_assumed
from saliency_viewer.models.recognition.shapes import Shapes, compare, templates
from saliency_viewer.models.weights import without_prefixes

_LEAST_SHARE = 0.3  # of a family's names, below which its members are not looked at
_NEAR = 0.75  # of the best member's share: others are not worth a second look
_MOST = 4
_COLOURS = 3
_USUAL_SIDE = 224


def candidates(shapes: Shapes) -> Iterator[Candidate]:
    """Networks whose names resemble those in ``shapes``, each with the arguments that fit best."""
    ranked = sorted(((_body_share(name, shapes), name) for name in _members(shapes)), reverse=True)
    best = ranked[0][0] if ranked else 0.0
    for share, name in ranked[:_MOST]:
        if share >= _NEAR * best and share > 0.0:
            found = _candidate(name, shapes)
            if found is not None:
                yield found


@lru_cache(maxsize=1)
def _families() -> dict[str, tuple[str, ...]]:
    """Names of networks by the module of torchvision that defines them, the smallest depth first."""
    import torchvision

    families: dict[str, list[str]] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        module = torchvision.models.get_model_builder(name).__module__
        families.setdefault(module, []).append(name)
    return {module: tuple(names) for module, names in families.items()}


def _members(shapes: Shapes) -> Iterator[str]:
    """Names of the families that write their weights as the file does."""
    shares: dict[str, float] = {}
    for module, names in _families().items():
        plan = _plan(names[0])
        if plan is not None:
            own = templates(plan.shapes)
            file = templates(without_prefixes(shapes, plan.shapes.keys()))
            shares[module] = len(own & file) / max(len(own | file), 1)
    best = max(shares.values(), default=0.0)
    for module, share in shares.items():
        if share >= max(_LEAST_SHARE, _NEAR * best):
            yield from _families()[module]


def _plan(name: str, **arguments: Any) -> Blueprint | None:
    return blueprint(f"torchvision:{name}", {**({"aux_logits": False} if name in AUXILIARY else {}), **arguments})


def _body_share(name: str, shapes: Shapes) -> float:
    """How well all fits but head and first convolution, which people change."""
    plan = _plan(name)
    if plan is None:
        return 0.0
    body, root = plan.body(), plan.head.partition(".")[0]
    file = without_prefixes(shapes, plan.shapes.keys())
    kept = {key: s for key, s in file.items() if key != plan.stem and not key.startswith(f"{root}.")}
    return compare(kept, body).share


def _candidate(name: str, shapes: Shapes) -> Candidate | None:
    base: dict[str, Any] = {}
    if name in AUXILIARY:
        base["aux_logits"] = any(AUXILIARY[name] in key for key in shapes)
    plan = _plan(name, **base)
    if plan is None:
        return None
    file = without_prefixes(shapes, plan.shapes.keys())
    notes = []
    head = head_arguments(file, plan)
    if head is None:
        notes.append(UNCLEAR)
    elif is_assumed(head[0]):
        notes.append(ASSUMED)
    arguments, outputs = head or ({}, 0)
    stem = file.get(plan.stem, ())
    channels = stem[1] if len(stem) == len(plan.shapes[plan.stem]) else _COLOURS
    changed = {"in_channels": channels} if channels != _COLOURS else {}
    side = _image_side(name, file)
    given = {"image_size": side} if name.startswith("vit_") and side != _plain_side(name) else {}
    guess = Candidate(
        f"torchvision:{name}",
        {**_with_auxiliary(arguments, file), **base, **changed, **given},
        outputs,
        2,
        channels,
        (side, side),
        notes=tuple(notes),
    )
    return fitted(guess, shapes)


def _with_auxiliary(arguments: dict[str, Any], file: Shapes) -> dict[str, Any]:
    """Auxiliary heads keep the number of classes that they were made with when only the main head was changed."""
    auxiliary = [shape[0] for key, shape in file.items() if key in ("AuxLogits.fc.weight", "aux1.fc2.weight")]
    if not auxiliary or auxiliary[0] == arguments.get("num_classes"):
        return arguments
    head = arguments.get("head") or {"fc": f"linear {arguments['num_classes']}"} if arguments else {}
    return {"num_classes": auxiliary[0], "head": head} if head else {"num_classes": auxiliary[0]}


def _image_side(name: str, file: Shapes) -> int:
    """Of a transformer its grid says the size; of others what torchvision's own weights were made with."""
    positions, patches = file.get("encoder.pos_embedding", ()), file.get("conv_proj.weight", ())
    if name.startswith("vit_") and len(positions) == 3 and len(patches) == 4:
        return math.isqrt(positions[1] - 1) * patches[-1]
    return _plain_side(name)


@lru_cache(maxsize=128)
def _plain_side(name: str) -> int:
    """Side of the crop that torchvision names beside its weights; for transformers that of the constructor."""
    import torchvision

    if name.startswith("vit_"):
        return _USUAL_SIDE
    try:
        side: int = torchvision.models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
        return side
    except (AttributeError, ValueError, TypeError, IndexError):
        return _USUAL_SIDE  # a network without published weights
