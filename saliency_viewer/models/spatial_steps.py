"""Spatial steps of a card: each says, for the size an image has by then, which move every axis makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec
from saliency_viewer.domain.model_card import Interpolation
from saliency_viewer.errors import UserError
from saliency_viewer.models.axis_map import Move, resized
from saliency_viewer.models.checked_table import CheckedTable, near_match
from saliency_viewer.models.foreground import bounding_box, check_selection, selected
from saliency_viewer.models.monai_spacing import SAME_SPACING, keeps_first_centre

INTERPOLATIONS: tuple[Interpolation, ...] = ("linear", "cubic", "nearest", "area")
Shape = tuple[int, ...]
Keys = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """An image on its way: its size, the distance of its cells in mm (None: unknown), and how it is interpolated.

    ``look()`` gives its values by then, (channel, slice, row, column). ``columns`` (3, 3), of a volume: mm per cell
    along each axis.
    """

    shape: Shape
    spacing: tuple[float, ...] | None
    interpolation: Interpolation
    antialias: bool
    look: Callable[[], NDArray[np.float32]]
    columns: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class SpatialStep:
    """A kind of step: how its keys are checked (the number is that of the axes), and the move of each axis."""

    name: str
    check: Callable[[CheckedTable, int], Keys]
    moves: Callable[[Keys, Stage], tuple[Move, ...]]


def _resized(keys: Keys, stage: Stage, sizes: tuple[int, ...]) -> tuple[Move, ...]:
    how = keys.get("interpolation", stage.interpolation), keys.get("antialias", stage.antialias)
    return tuple(resized(count, size, *how) for count, size in zip(stage.shape, sizes, strict=True))


def _one_of(table: CheckedTable, names: tuple[str, ...]) -> str:
    written = [name for name in names if table.has(name)]
    if len(written) != 1:
        choice = " or ".join(names)
        raise UserError(f"model.toml: {table.name} needs one of the keys {choice}.", f"Write one of them: {choice}.")
    return written[0]


def _check_resampling(table: CheckedTable) -> dict[str, Any]:
    """``interpolation`` and ``antialias`` of one step, where they differ from those of all steps."""
    keys: dict[str, Any] = {}
    if table.has("interpolation"):
        keys["interpolation"] = table.choice("interpolation", INTERPOLATIONS, "linear")
    if table.has("antialias"):
        keys["antialias"] = table.flag("antialias", True)
    return keys


def _check_resize(table: CheckedTable, axes: int) -> Keys:
    name = _one_of(table, ("to", "shorter", "within", "cover"))
    value = table.whole(name, 1, 1) if name == "shorter" else table.wholes(name, axes)
    return {name: value, **_check_resampling(table)}


def _resize(keys: Keys, stage: Stage) -> tuple[Move, ...]:
    shape = stage.shape
    if "to" in keys:
        sizes = tuple(keys["to"])
    elif "shorter" in keys:
        # torchvision's Resize(n) cuts the longer side down to a whole number; networks were trained with that.
        wanted, shorter = keys["shorter"], min(shape)
        sizes = tuple(wanted if n == shorter else math.floor(wanted * n / shorter) for n in shape)
    else:
        inside = "within" in keys
        box = keys["within" if inside else "cover"]
        scale = (min if inside else max)(want / have for want, have in zip(box, shape, strict=True))
        sizes = tuple(max(1, round(n * scale)) for n in shape)
        sizes = tuple(map(min, sizes, box)) if inside else sizes
    return _resized(keys, stage, sizes)


def _check_spacing(table: CheckedTable, axes: int) -> Keys:
    spacing = table.numbers("to", None, (axes,))
    if any(value <= 0 for value in spacing):
        table.refuse("to", f"{axes} positive numbers in mm")
    return {
        "to": spacing,
        "keep": table.choice("keep", ("edges", "centres", "monai"), "edges"),
        **_check_resampling(table),
    }


def _spacing(keys: Keys, stage: Stage) -> tuple[Move, ...]:
    if stage.spacing is None:
        raise UserError(
            "This network wants images of a certain spacing in millimetres, but this image has no calibration.",
            "Choose the DICOM or NIfTI original of the image.",
        )
    pairs = list(zip(stage.shape, stage.spacing, keys["to"], strict=True))
    if keys["keep"] == "edges":
        return _resized(keys, stage, tuple(max(1, round(n * have / want)) for n, have, want in pairs))
    # The first centre stays where it is (or the middle does), and the step is the wanted one to the last digit.
    monai = keys["keep"] == "monai"
    middle = monai and stage.columns is not None and not keeps_first_centre(stage.columns, stage.shape, keys["to"])
    how = keys.get("interpolation", stage.interpolation), keys.get("antialias", stage.antialias)
    moves = []
    for n, have, want in pairs:
        same = abs(have - want) <= SAME_SPACING if monai else math.isclose(have, want, rel_tol=1e-6)
        step = 1.0 if same else want / have
        size = n if same else round((n - 1) / step + 1)
        start = (n - step * size) / 2 if middle else 0.0
        moves.append(Move(size, start, step, *how) if step != 1.0 or start else Move(n, 0.0))
    return tuple(moves)


def _check_crop(table: CheckedTable, axes: int) -> Keys:
    if _one_of(table, ("size", "by")) == "by":
        return {"by": _borders(table, axes)}
    middle = table.choice("middle", ("torchvision", "monai"), "torchvision")
    return {"size": table.wholes("size", axes), "middle": middle}


def _crop(keys: Keys, stage: Stage) -> tuple[Move, ...]:
    if "by" in keys:
        cut = [(n - a - b, a) for n, (a, b) in zip(stage.shape, keys["by"], strict=True)]
        if any(size < 1 for size, _ in cut):
            raise UserError(
                f"This network cuts borders off, but of an image of {size_text(stage.shape)} nothing would be left.",
                "Choose another image, or correct the crop in model.toml.",
            )
        return tuple(Move(size, start) for size, start in cut)
    return tuple(
        Move(min(n, size), _middle(n, size, keys["middle"])) for n, size in zip(stage.shape, keys["size"], strict=True)
    )


def _middle(count: int, size: int, whose: str) -> int:
    """The first cell of the middle ``size`` ones: libraries differ where the rest is odd."""
    if size >= count:
        return 0
    return round((count - size) / 2) if whose == "torchvision" else count // 2 - size // 2


def _check_pad(table: CheckedTable, axes: int) -> Keys:
    name = _one_of(table, ("size", "by", "multiple"))
    if name == "by":
        return {"by": _borders(table, axes)}
    return {name: table.wholes("size", axes) if name == "size" else table.whole("multiple", 1, 1)}


def _pad(keys: Keys, stage: Stage) -> tuple[Move, ...]:
    if "by" in keys:
        return tuple(Move(n + a + b, -a) for n, (a, b) in zip(stage.shape, keys["by"], strict=True))
    every = keys.get("multiple")
    sizes = keys["size"] if every is None else tuple(-(-n // every) * every for n in stage.shape)
    return tuple(Move(max(n, size), -(max(size - n, 0) // 2)) for n, size in zip(stage.shape, sizes, strict=True))


def _borders(table: CheckedTable, axes: int) -> tuple[tuple[int, int], ...]:
    """``by``: for each axis one number for both sides, or [before, after]."""
    listed = table.take("by")
    pairs = (
        [[entry, entry] if isinstance(entry, int) else entry for entry in listed] if isinstance(listed, list) else []
    )
    good = len(pairs) == axes and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and n >= 0 for n in pair) for pair in pairs
    )
    if not good:
        table.refuse("by", f"a list of {axes} entries, for each axis a whole number or [before, after]")
    return tuple((before, after) for before, after in pairs)


def _check_foreground(table: CheckedTable, _axes: int) -> Keys:
    written = table.has("of") or table.has("above")
    keys = check_selection(table) if written else {"of": "above", "above": 0.0}
    return {**keys, "margin": table.whole("margin", 0, 0)}


def _foreground(keys: Keys, stage: Stage) -> tuple[Move, ...]:
    box = bounding_box(selected(stage.look(), keys), len(stage.shape), keys["margin"])
    return tuple(Move(stop - start, start) for start, stop in box)


SPATIAL_STEPS: tuple[SpatialStep, ...] = (
    SpatialStep("spacing", _check_spacing, _spacing),
    SpatialStep("resize", _check_resize, _resize),
    SpatialStep("crop", _check_crop, _crop),
    SpatialStep("pad", _check_pad, _pad),
    SpatialStep("foreground", _check_foreground, _foreground),
)


def parse_spatial(listed: object, axes: int) -> tuple[Keys, ...]:
    """Check ``[input] spatial`` and return it as written. Raises :class:`UserError`."""
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise UserError(
            "model.toml: input.spatial must be a list of tables.",
            'Write it like [ { step = "resize", shorter = 256 }, { step = "crop", size = [224, 224] } ].',
        )
    for number, entry in enumerate(listed, start=1):
        checked_step(entry, axes, number)
    return tuple(listed)


def checked_step(entry: Keys, axes: int, number: int = 1) -> tuple[SpatialStep, Keys]:
    """The kind of a step and its checked keys. Raises :class:`UserError`."""
    table = CheckedTable(f"input.spatial step {number}", entry)
    name = table.take("step")
    step = next((step for step in SPATIAL_STEPS if step.name == name), None)
    if step is None:
        names = [step.name for step in SPATIAL_STEPS]
        raise UserError(f"model.toml: there is no spatial step {name!r}.", near_match(str(name), names))
    keys = step.check(table, axes)
    table.finish()
    return step, keys


def steps_of(spec: InputSpec) -> tuple[Keys, ...]:
    """All spatial steps of a card: those it lists, or those that ``spacing`` and ``fit`` stand for."""
    if spec.spatial:
        return spec.spatial
    size = list(spec.size)
    steps: list[Keys] = [{"step": "spacing", "to": list(spec.spacing)}] if spec.spacing else []
    if spec.fit == "stretch":
        steps += [{"step": "resize", "to": size}]
    elif spec.fit == "letterbox":
        steps += [{"step": "resize", "within": size}, {"step": "pad", "size": size}]
    elif spec.fit in ("crop", "pad"):
        if isinstance(spec.resize, int):
            steps += [{"step": "resize", "shorter": spec.resize}]
        elif spec.resize is not None:
            steps += [{"step": "resize", "to": list(spec.resize)}]
        middle = "torchvision" if spec.fit == "crop" else "monai"
        steps += [{"step": "pad", "size": size}, {"step": "crop", "size": size, "middle": middle}] if size else []
    return tuple(steps)


def size_text(shape: Shape) -> str:
    """``512 x 400``."""
    return " x ".join(map(str, shape))
