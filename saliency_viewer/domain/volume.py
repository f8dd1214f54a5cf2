"""An image with its place in the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain.display import Window
from saliency_viewer.spatial import Geometry

# Ultrasound, angiography, fluoroscopy, endoscopy, photographs, planar nuclear medicine (PS3.3 C.7.3.1.1.1).

_NARROWEST = 1e-6  # of the values' magnitude
_SMALLEST = 1e-30  # 256 greys over less leave float32


@dataclass(frozen=True, eq=False)
class Volume:
    """Modality values on a grid.

    Parameters
    ----------
    array:
        (slice, row, column), a native integer or float32 dtype; modality values (HU for CT, ...).
        A higher value is always a brighter one: readers turn MONOCHROME1 round.
        A colour image holds its luminance here.
    geometry:
        The grid; ``array.shape == geometry.shape``.
    colour:
        (slice, row, column, 3) uint8 for colour images, else None.
    window:
        The window that the file asks for, else None (then percentiles of the image serve).
    windows:
        All windows and tables that the file offers, ``window`` first.
    padding:
        Smallest and largest value that fills what was not imaged, both inclusive; it counts for no percentile and is
        drawn black. None when the file names none.
    overlays:
        (slice, row, column) booleans: graphics that the file draws over the image, None when there are none.
    value_range:
        Smallest and largest value the encoding can represent, e.g. (0, 4095); None when unknown.
    units:
        Unit of the values as written on screen ("HU"), empty when arbitrary.
    warnings:
        Sentences about anything unusual in the files.
    """

    array: NDArray[np.generic]
    geometry: Geometry
    modality: str = ""
    units: str = ""
    body_part: str = ""
    view: str = ""
    window: Window | None = None
    windows: tuple[Window, ...] = ()
    padding: tuple[float, float] | None = None
    overlays: NDArray[np.bool_] | None = None
    value_range: tuple[float, float] | None = None
    colour: NDArray[np.uint8] | None = None
    series_uid: str = ""
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} does not fit geometry {self.geometry.shape}")

    def default_window(self) -> Window:
        """The file's window, or :attr:`auto_window`."""
        return self.window or self.auto_window

    @property
    def is_stack(self) -> bool:
        """Whether the slices lie side by side in a body, so that other planes can be cut through them.

        Frames of a cine and pages of a picture file only follow each other.
        """
        return not self.geometry.is_planar and self.geometry.through_space

    @cached_property
    def auto_window(self) -> Window:
        """The 0.5 to 99.5 percentile range of the finite values, padding left out; narrow for a constant."""
        # A strided sample is enough for a percentile and keeps a 400-slice CT instant.
        step = max(1, self.array.size // 500_000)
        while math.gcd(step, self.array.shape[1] * self.array.shape[2]) > 1:
            step += 1  # a step that divides the rows would look at some columns only
        sample = self.array.reshape(-1)[::step].astype(np.float64)
        sample = sample[np.isfinite(sample)]
        if self.padding is not None:
            imaged = sample[(sample < self.padding[0]) | (sample > self.padding[1])]
            sample = imaged if imaged.size else sample
        low, high = np.percentile(sample, [0.5, 99.5]) if sample.size else (0.0, 1.0)
        # Narrower than this part of the values is rounding; values themselves may be as small as they like.
        least = max(abs(float(low)), abs(float(high))) * _NARROWEST or _NARROWEST
        return Window(float(low + high) / 2, max(float(high - low), least, _SMALLEST))
