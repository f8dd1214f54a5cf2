"""Single transforms of MONAI as steps of a card."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Step = dict[str, Any]
Settings = Mapping[str, Any]

# Torch's interpolation by the names of MONAI's transforms.
_MODES = {
    **dict.fromkeys(("bilinear", "trilinear", "linear"), "linear"),
    "bicubic": "cubic",
    "area": "area",
    "nearest-exact": "nearest",
}


class Unsaid(Exception):  # noqa: N818 - not an error: the transform has no counterpart
    """A transform that has no step; the text says which of its settings is why."""


@dataclass
class Reading:
    """Steps in MONAI's order of events: intensity and spatial ones mixed."""

    axes: int
    channels: int
    key: str = "image"
    intensity: list[Step] = field(default_factory=list)
    spatial: list[Step] = field(default_factory=list)
    between: list[Step] = field(default_factory=list)
    orientation: str = ""
    pad_value: float = 0.0  # in the units before ``between``
    doubts: list[str] = field(default_factory=list)


def _only(entry: Settings, **allowed: tuple[Any, ...]) -> None:
    """Refuse settings that have no step, unless they have one of these values."""
    for key, values in allowed.items():
        value = entry.get(key, values[0])
        value = value[0] if isinstance(value, list) and len(set(map(str, value))) == 1 else value
        if value not in values:
            raise Unsaid(f" (with {key} = {str(value)[:40]})")


def orient(entry: Settings, reading: Reading) -> None:
    """Note the sides that the axes shall grow to. Raises :class:`Unsaid`."""
    code = "RAS" if entry.get("as_closest_canonical") else str(entry.get("axcodes", ""))
    if len(code) != 3 or reading.axes != 3:
        raise Unsaid(f" (with axcodes = {code[:10]})")
    lists = [value for step in reading.spatial for value in step.values() if isinstance(value, list)]
    if any(len(set(map(str, value))) > 1 for value in lists) or any(s["step"] != "resize" for s in reading.spatial):
        reading.doubts.append("The bundle orients the image after other steps; here it does so before them.")
    reading.orientation = code.upper()


def _turned(value: Any, reading: Reading, minimum: float, kind: type = int) -> list[Any]:
    """(x, y, z) as (slice, row, column); one number counts for every axis, as in MONAI."""
    listed = list(value) if isinstance(value, (list, tuple)) else [value] * reading.axes
    listed = (listed + listed[-1:] * reading.axes)[: reading.axes] if kind is float else listed
    good = len(listed) == reading.axes and all(isinstance(n, (int, float)) and n > minimum for n in listed)
    if not good:
        raise Unsaid(f" (with sizes {str(value)[:40]})")
    return [kind(n) for n in reversed(listed)]


def _spacing(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, diagonal=(False,), padding_mode=("border",), align_corners=(False,), scale_extent=(False,))
    _only(entry, min_pixdim=(None,), max_pixdim=(None,), mode=("bilinear", "linear", "nearest"))
    pixdim = entry.get("pixdim")
    # One number is the first axis' in MONAI only where a list is expected; the rest repeats it.
    step = {"step": "spacing", "to": _turned(pixdim, reading, 0.0, float), "keep": "monai", "antialias": False}
    return [step | ({"interpolation": "nearest"} if _first(entry.get("mode")) == "nearest" else {})]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _resize(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, align_corners=(None, False), anti_aliasing=(False, None), size_mode=("all", "longest"))
    mode = str(_first(entry.get("mode", "area")))
    if mode not in _MODES:
        raise Unsaid(f" (with mode = {mode[:20]})")
    key = "within" if entry.get("size_mode") == "longest" else "to"
    size = _turned(entry.get("spatial_size"), reading, 0)
    return [{"step": "resize", key: size, "interpolation": _MODES[mode], "antialias": False}]


def _crop(entry: Settings, reading: Reading) -> list[Step]:
    size = _turned(entry.get("roi_size"), reading, 0)
    return [{"step": "crop", "size": size, "middle": "monai"}]


def _pad(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, method=("symmetric",), mode=("constant",), value=(0, None), constant_values=(0,))
    return [{"step": "pad", "size": _turned(entry.get("spatial_size"), reading, 0)}]


def _pad_or_crop(entry: Settings, reading: Reading) -> list[Step]:
    size = _turned(entry.get("spatial_size"), reading, 0)
    return [*_pad(entry, reading), {"step": "crop", "size": size, "middle": "monai"}]


def _divisible(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, method=("symmetric",), mode=("constant",), value=(0, None))
    sizes = _turned(entry.get("k"), reading, 0)
    if len(set(sizes)) > 1:
        raise Unsaid(f" (with k = {sizes})")
    return [{"step": "pad", "multiple": sizes[0]}]


def _foreground(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, k_divisible=(1,), channel_indices=(None,), mode=("constant",), select_fn=(None,))
    _only(entry, source_key=(reading.key, None))
    margin = _first(entry.get("margin", 0))
    if entry.get("margin") not in (None, 0) and entry.get("allow_smaller") is not True:
        raise Unsaid(" (with a margin that may lie outside of the image)")
    return [{"step": "foreground", "above": 0.0, "margin": int(margin)}]


def _numbers(entry: Settings, *keys: str) -> list[float]:
    found = [entry.get(key) for key in keys]
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in found):
        raise Unsaid(f" (without numbers for {', '.join(keys)})")
    return [float(value) for value in found if value is not None]


def _range(entry: Settings, _reading: Reading) -> list[Step]:
    low, high = _numbers(entry, "a_min", "a_max")
    open_ended = entry.get("b_min") is None or entry.get("b_max") is None
    to = [0.0, 1.0] if open_ended else _numbers(entry, "b_min", "b_max")
    if high == low or (open_ended and entry.get("clip")):
        raise Unsaid(" (without a range)")
    clip: list[Step] = [{"step": "clip", "low": min(to), "high": max(to)}] if entry.get("clip") else []
    return [{"step": "scale", "from": [low, high], "to": to}, *clip]


def _of_single_channels(entry: Settings, reading: Reading) -> None:
    if entry.get("channel_wise") and reading.channels > 1:
        raise Unsaid(" (each channel by itself)")


def _minmax(entry: Settings, reading: Reading) -> list[Step]:
    if entry.get("factor") is not None:
        (factor,) = _numbers(entry, "factor")
        if entry.get("minv", 0.0) is not None or entry.get("maxv", 1.0) is not None:
            raise Unsaid(" (with both a factor and a range)")
        return [{"step": "scale", "from": [0.0, 1.0], "to": [0.0, 1.0 + factor]}]
    _of_single_channels(entry, reading)
    return [{"step": "minmax", "to": _numbers({"minv": 0.0, "maxv": 1.0, **entry}, "minv", "maxv")}]


def _normalize(entry: Settings, reading: Reading) -> list[Step]:
    mean, deviation = entry.get("subtrahend"), entry.get("divisor")
    if mean is None and deviation is None:
        _of_single_channels(entry, reading)
        return [{"step": "zscore", "of": "nonzero" if entry.get("nonzero") else "all"}]
    if entry.get("nonzero") or mean is None or deviation is None:
        raise Unsaid(" (with some numbers given and some taken from the image)")
    pairs = [value if isinstance(value, list) else [value] for value in (mean, deviation)]
    if any(len(values) not in (1, reading.channels) for values in pairs) or 0 in pairs[1]:
        raise Unsaid(" (with numbers for other channels)")
    return [{"step": "normalize", "mean": pairs[0], "std": pairs[1]}]


def _percentiles(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, relative=(False,), clip=(True,))
    _of_single_channels(entry, reading)
    lower, upper, *to = _numbers(entry, "lower", "upper", "b_min", "b_max")
    return [{"step": "percentile", "low": lower, "high": upper}, {"step": "minmax", "to": to}]


def _clip_percentiles(entry: Settings, reading: Reading) -> list[Step]:
    _only(entry, sharpness_factor=(None,), return_clipping_values=(False,))
    _of_single_channels(entry, reading)
    lower, upper = _numbers({"lower": 0.0, "upper": 100.0, **entry}, "lower", "upper")
    return [{"step": "percentile", "low": lower, "high": upper}]


def _shift(entry: Settings, _reading: Reading) -> list[Step]:
    (offset,) = _numbers(entry, "offset")
    return [{"step": "scale", "from": [0.0, 1.0], "to": [offset, 1.0 + offset]}]


Reader = Callable[[Settings, Reading], list[Step]]
INTENSITY: tuple[tuple[str, Reader], ...] = (
    ("ScaleIntensityRange", _range),
    ("ScaleIntensity", _minmax),
    ("NormalizeIntensity", _normalize),
    ("ScaleIntensityRangePercentiles", _percentiles),
    ("ClipIntensityPercentiles", _clip_percentiles),
    ("ShiftIntensity", _shift),
)
SPATIAL: tuple[tuple[str, Reader], ...] = (
    ("Spacing", _spacing),
    ("Resize", _resize),
    ("CenterSpatialCrop", _crop),
    ("SpatialPad", _pad),
    ("ResizeWithPadOrCrop", _pad_or_crop),
    ("DivisiblePad", _divisible),
    ("CropForeground", _foreground),
)
