"""An attribution map in the patient, with how it came about and how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.spatial import Geometry

Badge = Literal["verified", "approximate", "failed", "not defined"]


@dataclass(frozen=True)
class Validity:
    """Whether the method was really applied to this network.

    ``badge`` is what the window shows, ``text`` the number or reason beside it, ``short`` the first of them in so few
    words that they fit into a badge (empty: the badge's own word does). ``intercepted`` and
    ``executed`` count activation calls seen by a backward rule and run by the network.
    """

    badge: Badge
    text: str = ""
    intercepted: int | None = None
    executed: int | None = None
    short: str = ""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to compute the same map again."""

    method: str
    parameters: Mapping[str, Any]
    target: str
    seed: int
    layer: str | None = None
    baseline: str | None = None
    model_name: str = ""
    model_version: str = ""
    model_hash: str = ""
    device: str = "cpu"
    threads: int = 1
    batch_size: int = 1
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fold: str = ""  # of an ensemble; "mean": of all its folds
    is_training_case: bool = False  # the model was trained on this very case


@dataclass(frozen=True, eq=False)
class AttributionMap:
    """A raw map on the image's own grid.

    Parameters
    ----------
    array:
        (slice, row, column) float32, signed, not normalised (a CAM before its ReLU), channels summed;
        NaN where the model saw nothing.
    one_sided:
        True when the method's published form ends with a ReLU, so that display shows the positive part only.
    probability, logit:
        What the model said about ``target``.
    residual:
        Completeness or conservation residual (relative, see Provenance), None for methods without one.
    standard_error:
        Monte-Carlo standard error of the map's mean absolute value, None for deterministic methods.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    method: str
    target: str
    validity: Validity
    provenance: Provenance
    one_sided: bool = False
    logit: float = float("nan")
    probability: float = float("nan")
    target_is_predicted: bool = True
    residual: float | None = None
    standard_error: float | None = None
    slices: tuple[int, ...] = ()  # slices a slice-wise network was explained on; empty: all

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.geometry.shape:
            raise ValueError(f"map {self.array.shape} does not fit geometry {self.geometry.shape}")

    @cached_property
    def extent(self) -> tuple[float, float]:
        """Smallest and largest finite value; (0, 0) when there is none. Computed once."""
        if not self.array.size:
            return 0.0, 0.0
        # fmin and fmax pass over NaN without a copy of a large volume.
        low, high = float(np.fmin.reduce(self.array, axis=None)), float(np.fmax.reduce(self.array, axis=None))
        if np.isfinite(low) and np.isfinite(high):
            return low, high
        finite = self.array[np.isfinite(self.array)]
        return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)

    @cached_property
    def peak(self) -> tuple[int, int, int] | None:
        """(slice, row, column) of the first of the largest finite values; None for an empty map. Computed once."""
        if self.is_empty():
            return None
        z, y, x = np.unravel_index(int(np.argmax(self.array == np.float32(self.extent[1]))), self.array.shape)
        return int(z), int(y), int(x)

    def is_empty(self) -> bool:
        """True when there is no evidence to show: every seen value is zero or not finite."""
        return self.extent == (0.0, 0.0)
