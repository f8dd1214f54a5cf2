"""timm's classifiers behind a state dict. They are too many to build: a shipped index of fingerprints finds the few."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from saliency_viewer.models.recognition.blueprints import blueprint
from saliency_viewer.models.recognition.candidate import Candidate, fitted
from saliency_viewer.models.recognition.shapes import Shape, Shapes
from saliency_viewer.models.weights import without_prefixes
from saliency_viewer.runtime.resources import resource_path

# Modules that change with the number of classes, and weights that change with the image's size.
_HEADS = ("head", "head_dist", "heads", "heads_dist", "aux_head", "fc", "classifier", "classif", "last_linear")
_OF_SIZE = ("pos_embed", "relative_position", "attn_mask", "rel_pos", "rope")
_IMAGE = 4  # a convolution with at most so many input channels may read the image
_COLOURS = 3
_AXES = 4  # of the weight of a convolution in the plane
_DIGITS = 10
_MOST = 8  # networks with the same weights that are tried
_NAMED = 3  # and that are told
_SIDE = 224
_ALIKE = "timm has other networks with the same weights, which differ in what the weights do not show: {}."


def fingerprint(shapes: Shapes) -> str:
    """A digest of all that neither the number of classes, the input channels nor the image's size change."""
    lines = [f"{key}:{_masked(shape)}" for key, shape in shapes.items() if _settled(key)]
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=_DIGITS // 2).hexdigest()


def _settled(key: str) -> bool:
    return key.partition(".")[0] not in _HEADS and not any(part in key for part in _OF_SIZE)


def _masked(shape: Shape) -> Shape:
    return (shape[0], 0, *shape[2:]) if len(shape) > 2 and shape[1] <= _IMAGE else shape


@lru_cache(maxsize=1)
def _index() -> Mapping[str, list[str]]:
    """Names of networks by their fingerprint."""
    found: dict[str, list[str]] = json.loads(resource_path("timm_networks.json").read_text(encoding="utf-8"))
    return found


def candidates(shapes: Shapes) -> Iterator[Candidate]:
    """Networks of timm with the weights in ``shapes``; another version than the index's may know more of them."""
    file, names = _known(shapes)
    for position, name in enumerate(names[:_MOST]):
        plan = blueprint(f"timm:{name}")
        if plan is None:
            continue
        head, stem = file.get(f"{plan.head}.weight", ()), file.get(plan.stem, ())
        arguments: dict[str, Any] = {"num_classes": head[0]} if head else {}
        channels = stem[1] if len(stem) == _AXES else _COLOURS
        if channels != _COLOURS:
            arguments["in_chans"] = channels
        others = [other for other in names if other != name]
        notes = (_ALIKE.format(", ".join(others[:_NAMED])),) if others and position == 0 else ()
        outputs = head[0] if head else 0
        guess = Candidate(f"timm:{name}", arguments, outputs, 2, channels, _size(name), notes=notes)
        found = fitted(guess, shapes)
        if found is not None:
            yield found


def missing_library(shapes: Shapes) -> str:
    """What to install for weights of timm's that nothing else knows; empty where they are none, or timm is there."""
    _, names = _known(shapes)
    if not names:
        return ""
    try:
        import timm  # noqa: F401
    except ImportError:
        return (
            f"The weights are those of timm:{names[0]}, but timm is not installed: pip install 'saliency-viewer[timm]'."
        )
    return ""


def _known(shapes: Shapes) -> tuple[Shapes, list[str]]:
    """The weights without their prefixes, and the names that have them."""
    for _ in range(3):
        names = _index().get(fingerprint(shapes), [])
        if names:
            return shapes, names
        starts = {key.partition(".")[0] for key in shapes}
        inner = without_prefixes(shapes, ()) if len(starts) == 1 else {}
        if not inner or inner.keys() == shapes.keys():
            break
        shapes = inner
    return shapes, []


def _size(name: str) -> tuple[int, int]:
    """What timm's own weights of that network were made with."""
    try:
        from timm.models import get_pretrained_cfg

        configuration = get_pretrained_cfg(name)
        return (int(configuration.input_size[1]), int(configuration.input_size[2])) if configuration else (_SIDE, _SIDE)
    except (ImportError, RuntimeError, AttributeError, TypeError, IndexError):
        return _SIDE, _SIDE
