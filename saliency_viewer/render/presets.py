"""Windows to choose from: the file's own, the image's percentiles, and the usual ones of CT."""

from __future__ import annotations

from saliency_viewer.domain import Volume, Window

AUTO = "Auto"
_HOUNSFIELD = "HU"
HU_PRESETS = (
    Window(-600.0, 1500.0, name="Lung"),
    Window(40.0, 400.0, name="Mediastinum"),
    Window(400.0, 1800.0, name="Bone"),
    Window(40.0, 80.0, name="Brain"),
)
_KINDS = {"SIGMOID": "sigmoid", "TABLE": "table"}


def file_presets(volume: Volume) -> tuple[tuple[str, Window], ...]:
    """Names and windows that the file offers, its usual one first; each name once."""
    offered = volume.windows or ((volume.window,) if volume.window is not None else ())
    found: dict[str, Window] = {}
    for number, window in enumerate(offered, start=1):
        name = window_name(window) or f"Window {number}"
        found.setdefault(name if name not in found else f"{name} ({number})", window)
    return tuple(found.items())


def usual_presets(volume: Volume) -> tuple[tuple[str, Window], ...]:
    """Auto (0.5 to 99.5 percentiles) for every image, and the usual windows where values are Hounsfield units."""
    usual = tuple((window.name, window) for window in HU_PRESETS) if volume.units == _HOUNSFIELD else ()
    return ((AUTO, volume.auto_window), *usual)


def window_name(window: Window) -> str:
    """The file's explanation, with the kind of curve where it is no straight line; empty when there is neither."""
    return " · ".join(word for word in (window.name, _KINDS.get(window.function, "")) if word)
