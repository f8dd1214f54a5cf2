"""Intensity steps under names that people know, for who makes a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match

Steps = tuple[Mapping[str, Any], ...]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GREY_MEAN, _GREY_STD = (0.449,), (0.226,)  # of the same images, without colour

# Name, label, and what it is for, in the order in which they are offered.
INTENSITIES: tuple[tuple[str, str, str], ...] = (
    (
        "imagenet",
        "Scale to 0..1, then ImageNet",
        "what the file can hold becomes 0..1, then ImageNet's mean and deviation",
    ),
    ("unit", "Scale to 0..1", "what the file can hold becomes 0..1 (a PNG's 0..255, a radiograph's 0..4095)"),
    ("window", "CT window to 0..1", "the window's edges become 0 and 1: write window:CENTRE,WIDTH"),
    ("window-imagenet", "CT window, then ImageNet", "as window, then ImageNet's mean and deviation"),
    ("minmax", "Image's own extremes to 0..1", "the darkest value becomes 0, the brightest 1"),
    ("percentile", "1st to 99th percentile to 0..1", "as minmax, without the outermost hundredth at either end"),
    ("zscore", "Z-score", "mean 0 and deviation 1"),
    ("zscore-nonzero", "Z-score of what is not zero", "the same of the nonzero values; zeros stay zero"),
    ("none", "As they are", "the values of the file"),
)
DEFAULT_WINDOW = (40.0, 400.0)


def intensity_steps(name: str, channels: int, window: tuple[float, float] | None = None) -> Steps:
    """The steps of that name for a network with so many input channels.

    Parameters
    ----------
    name:
        One of :data:`INTENSITIES`; ``window:40,400`` says the window too.
    channels:
        Of the network: one mean and deviation for each of three, else one for all.
    window:
        (centre, width), for those with a window whose name does not say it.

    Raises
    ------
    UserError
        When there is no such name, or a window is missing.
    """
    plain, _, numbers = name.partition(":")
    known = [one for one, _, _ in INTENSITIES]
    if plain not in known:
        raise UserError(f"There are no intensity steps called '{plain}'.", near_match(plain, known))
    steps: list[Mapping[str, Any]] = []
    if plain.startswith("window"):
        centre, width = _window(numbers) if numbers else window or DEFAULT_WINDOW
        steps.append({"step": "window", "center": centre, "width": width})
    if plain == "percentile":
        steps.append({"step": "percentile", "low": 1.0, "high": 99.0})
    if plain in ("imagenet", "unit", "window", "window-imagenet"):
        steps.append({"step": "scale", "to": [0.0, 1.0]})
    if plain.endswith("imagenet"):
        mean, std = (_MEAN, _STD) if channels == len(_MEAN) else (_GREY_MEAN, _GREY_STD)
        steps.append({"step": "normalize", "mean": list(mean), "std": list(std)})
    if plain in ("minmax", "percentile"):
        steps.append({"step": "minmax"})
    if plain.startswith("zscore"):
        steps.append({"step": "zscore", "of": "nonzero" if plain.endswith("nonzero") else "all"})
    return tuple(steps)


def _window(numbers: str) -> tuple[float, float]:
    try:
        centre, width = (float(number) for number in numbers.split(","))
    except ValueError:
        raise UserError(
            f"'{numbers}' is no window.", "Write it as window:CENTRE,WIDTH, such as window:40,400."
        ) from None
    if width <= 0:
        raise UserError("A window's width must be above 0.", "Write it as window:CENTRE,WIDTH, such as window:40,400.")
    return centre, width


def intensity_name(steps: Sequence[Mapping[str, Any]], channels: int) -> str:
    """The name of these steps; empty when they have none."""
    window = next(((s["center"], s["width"]) for s in steps if s.get("step") == "window" and "center" in s), None)
    for name, _, _ in INTENSITIES:
        if [dict(step) for step in intensity_steps(name, channels, window)] == [dict(step) for step in steps]:
            return name
    return ""
