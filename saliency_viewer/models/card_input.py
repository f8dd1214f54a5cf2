"""The table ``[input]`` of a card."""

from __future__ import annotations

from typing import Any, cast

from saliency_viewer.domain import InputSpec
from saliency_viewer.domain.model_card import Colour, Fit, Layout
from saliency_viewer.models.channels import channels_advice, has_channels
from saliency_viewer.models.checked_table import CardError, CheckedTable
from saliency_viewer.models.intensity import check_order, parse_steps
from saliency_viewer.models.spatial_steps import INTERPOLATIONS, parse_spatial

_AXES = {"2d": "[row, column]", "2.5d": "[row, column]", "3d": "[slice, row, column]"}
_FITS = ("letterbox", "crop", "pad", "stretch", "none")
_INSTEAD = ("fit", "resize", "spacing")  # keys that a list of spatial steps stands instead of


def parse_input(table: CheckedTable) -> InputSpec:
    """Check the table; raises :class:`UserError` that names the key, the wrong value and what is allowed."""
    layout = cast(Layout, table.choice("layout", ("2d", "2.5d", "3d"), "2d"))
    channels = table.whole("channels", 1, 1)
    if not has_channels(layout, channels):
        message = f"model.toml: input.channels = {channels} is not valid: no image has so many."
        raise CardError(message, channels_advice(layout, channels), "", "input", "channels")
    size = _size(table, layout)
    fit = cast(Fit, table.choice("fit", _FITS, "none" if table.has("spatial") else "letterbox"))
    if not size and fit != "none" and not table.has("resize"):
        example = "[64, 64, 64]" if layout == "3d" else "[224, 224]"
        hint = f'Add a line like size = {example}, or fit = "none".'
        raise CardError("model.toml: input.size is missing.", hint, "", "input", "size")
    spec = InputSpec(
        layout=layout,
        channels=channels,
        size=size,
        fit=fit,
        resize=_resize(table, layout),
        interpolation=cast(Any, table.choice("interpolation", INTERPOLATIONS, "linear")),
        antialias=table.flag("antialias", True),
        pad_value=table.number("pad_value", 0.0),
        order=cast(Any, table.choice("order", ("channels_first", "channels_last"), "channels_first")),
        spacing=_spacing(table, layout),
        orientation=_orientation(table),
        intensity=parse_steps(table.take("intensity", []), channels),
        spatial=parse_spatial(table.take("spatial", []), _axes(layout)),
        intensity_after=parse_steps(table.take("intensity_after", []), channels, "intensity_after"),
        axes=cast(Any, table.choice("axes", ("zyx", "xyz"), "zyx")),
        colour=cast(Colour, table.choice("colour", ("", "grey", "colour"), "")),
    )
    _check_together(table, spec)
    table.finish()
    return spec


def _axes(layout: str) -> int:
    return 3 if layout == "3d" else 2


def _check_together(table: CheckedTable, spec: InputSpec) -> None:
    """Refuse keys that are right alone but not beside each other."""
    if spec.spatial:
        for key in _INSTEAD:
            if table.has(key):
                table.refuse(key, f"either {key} or the list spatial, which stands instead of it")
    elif spec.resize is not None and spec.fit != "crop":
        table.refuse("resize", 'it only together with fit = "crop"')
    if spec.colour == "colour" and (spec.channels != 3 or spec.layout == "2.5d"):
        table.refuse("colour", 'it only together with channels = 3 and layout "2d" or "3d"')
    if spec.layout != "3d":
        check_order((*spec.intensity, *spec.intensity_after), "intensity (intensity_after counted on)")


def _size(table: CheckedTable, layout: str) -> tuple[int, ...]:
    value, wanted = table.take("size", []), _axes(layout)
    if value == []:
        return ()
    good = isinstance(value, list) and all(type(n) is int and n > 0 for n in value)
    if not good or len(value) != wanted:
        table.refuse("size", f"{wanted} whole numbers {_AXES[layout]} for layout {layout}")
    return tuple(value)


def _resize(table: CheckedTable, layout: str) -> int | tuple[int, ...] | None:
    """One number for the shorter side, or one for each axis."""
    if not table.has("resize"):
        return None
    if isinstance(table.take("resize"), list):
        return table.wholes("resize", _axes(layout))
    return table.whole("resize", 1, 1)


def _spacing(table: CheckedTable, layout: str) -> tuple[float, ...]:
    wanted = _axes(layout)
    spacing = table.numbers("spacing", (), (0, wanted))
    if any(value <= 0 for value in spacing):
        table.refuse("spacing", f"{wanted} positive numbers in mm {_AXES[layout]}")
    return spacing


def _orientation(table: CheckedTable) -> str:
    code = table.text("orientation", "").upper()
    axes = {frozenset(pair) for pair in ("LR", "PA", "SI")}
    used = {axis for axis in axes for letter in code if letter in axis}
    if code and (len(code) != 3 or len(used) != 3):
        table.refuse(
            "orientation", 'three letters for column, row and slice, one each of R/L, A/P and S/I, such as "RAS"'
        )
    return code
