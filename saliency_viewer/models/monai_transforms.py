"""MONAI's preprocessing transforms, where they are plain, as the steps of a card.

MONAI indexes images (x, y, z), so its sizes and spacings are turned round here. What cannot be said in steps is a
*doubt*: a sentence that goes with every answer of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saliency_viewer.models.monai_steps import INTENSITY, SPATIAL, Reading, Settings, Step, Unsaid, orient

# They read files, or change how values are held and nothing else.
_WITHOUT_EFFECT = (
    *("LoadImage", "EnsureChannelFirst", "AsChannelFirst", "AddChannel", "EnsureType", "CastToType", "ToTensor"),
    *("ToDevice", "SelectItems", "DeleteItems", "Identity", "RepeatChannel", "FromMetaTensor", "ToMetaTensor"),
)


@dataclass(frozen=True)
class Steps:
    """What a list of transforms comes to, in the fields of an ``InputSpec``; ``doubts`` are sentences."""

    intensity: tuple[Step, ...] = ()
    orientation: str = ""
    spatial: tuple[Step, ...] = ()
    intensity_after: tuple[Step, ...] = ()
    pad_value: float = 0.0
    doubts: tuple[str, ...] = ()


def read_transforms(transforms: Sequence[Any], axes: int, channels: int, key: str = "image") -> Steps:
    """Read a list of ``{"_target_": ..., settings}`` whose references are resolved.

    Parameters
    ----------
    transforms:
        In the order in which they run. Those of dictionaries (``Resized``) count when ``key`` is among their keys.
    axes:
        Spatial axes of the network's input, 2 or 3.
    channels:
        Of the network's input.
    key:
        Of the image in MONAI's dictionaries.
    """
    reading = Reading(axes, channels, key)
    for entry in transforms:
        if isinstance(entry, Mapping) and _concerns(entry, key):
            _read(entry, reading)
        elif not isinstance(entry, Mapping):
            reading.doubts.append("A step of the bundle's preprocessing is a piece of Python, which is not run.")
    return Steps(
        tuple(reading.intensity),
        reading.orientation,
        tuple(reading.spatial),
        tuple(reading.between),
        reading.pad_value,
        tuple(dict.fromkeys(reading.doubts)),
    )


def _concerns(entry: Settings, key: str) -> bool:
    keys = entry.get("keys", key)
    return entry.get("_disabled_") is not True and (key in keys if isinstance(keys, list) else keys == key)


def transform_name(entry: Settings) -> str:
    """``monai.transforms.Resized`` and ``ResizeDict`` as ``Resize``."""
    name = str(entry.get("_target_", "")).rpartition(".")[2]
    for ending in ("Dict", "d", "D"):
        if name.endswith(ending) and len(name) > len(ending) and name not in ("Pad", "SpatialPad", "BorderPad"):
            return name.removesuffix(ending)
    return name


def _read(entry: Settings, reading: Reading) -> None:
    name = transform_name(entry)
    if name in _WITHOUT_EFFECT:
        if "converter" in entry or entry.get("reverse_indexing") is False:
            reading.doubts.append(f"The settings of the bundle's {name} are not followed here.")
        return
    try:
        steps, is_spatial = _steps(name, entry, reading)
    except Unsaid as why:
        reading.doubts.append(f"The bundle's preprocessing step {name} is not followed here{why}.")
        return
    if is_spatial and not _commute(reading, steps):
        reading.doubts.append(
            f"The bundle changes intensities before its step {name} and after other spatial ones; here all of these "
            "come after it."
        )
    target = reading.spatial if is_spatial else reading.between if reading.spatial else reading.intensity
    target.extend(steps)


def _commute(reading: Reading, spatial: Sequence[Step]) -> bool:
    """Whether the intensity steps so far may as well come after these spatial ones; what that takes is done.

    Cutting goes with everything that is fitted to no image, interpolation with what is linear. Padding is done with
    the value that becomes zero, and what lies above zero is found above that value.
    """
    kinds, moves = {step["step"] for step in reading.between}, {step["step"] for step in spatial}
    if not kinds or not moves:
        return True
    fixed = kinds <= {"scale", "normalize", "clip"}
    if not fixed or (moves & {"resize", "spacing"} and "clip" in kinds):
        return False
    zero = _becomes_zero(reading.between)
    if zero is None or ("pad" in moves and any(step["step"] == "pad" for step in reading.spatial)):
        return moves <= {"resize", "spacing", "crop"}
    for step in spatial:
        if step["step"] == "foreground":
            step["above"] = zero
    if "pad" in moves:
        reading.pad_value = zero
    return True


def _becomes_zero(steps: Sequence[Step]) -> float | None:
    """The value that fixed, rising steps of one number bring to zero; None where there is none."""
    scale, shift, clips = 1.0, 0.0, []
    for step in steps:
        if step["step"] == "clip":
            clips.append((step["low"], step["high"], scale, shift))
            continue
        if step["step"] == "scale":
            (low, high), (start, stop) = step["from"], step["to"]
            slope = (stop - start) / (high - low)
            offset = start - low * slope
        elif len(step["mean"]) == len(step["std"]) == 1:
            slope, offset = 1 / step["std"][0], -step["mean"][0] / step["std"][0]
        else:
            return None
        scale, shift = scale * slope, shift * slope + offset
    if scale <= 0:
        return None
    zero = -shift / scale
    # A clip must leave it as it is, and may bring to zero only what lies below.
    return zero if all(low <= zero * s + o < high for low, high, s, o in clips) else None


def _steps(name: str, entry: Settings, reading: Reading) -> tuple[list[Step], bool]:
    unread = [key for key, value in entry.items() if isinstance(value, str) and value.startswith("$")]
    if unread:
        raise Unsaid(f" (its {unread[0]} is a piece of Python, which is not run)")
    if name == "Orientation":
        orient(entry, reading)
        return [], False  # turning an image round goes with every step, if sizes do not tell axes apart
    for known, read in INTENSITY:
        if known == name:
            return read(entry, reading), False
    for known, read in SPATIAL:
        if known == name:
            return read(entry, reading), True
    raise Unsaid("")


def settled_size(spatial: Sequence[Step]) -> tuple[int, ...]:
    """(slice, row, column) that every image has after the steps; empty where that depends on the image."""
    size: tuple[int, ...] = ()
    for number, step in enumerate(spatial):
        if step["step"] == "resize" and "to" in step:
            size = tuple(step["to"])
        elif step["step"] == "crop" and number and spatial[number - 1] == {"step": "pad", "size": step["size"]}:
            size = tuple(step["size"])
        elif step["step"] == "pad" and "size" in step and size:
            size = tuple(map(max, size, step["size"]))
        elif step["step"] == "crop" and size:
            size = tuple(map(min, size, step["size"]))
        else:
            size = ()
    return size
