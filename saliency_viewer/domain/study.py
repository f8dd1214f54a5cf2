"""What a path holds: a study with its series, known from headers before any pixel is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from saliency_viewer.domain.volume import Volume
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext

Loader = Callable[[RunContext], Volume]


@dataclass(frozen=True)
class Identity:
    """Who the study is of. Kept in memory for ``--identify`` only; its repr says nothing."""

    patient_name: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be used, and why. ``path`` is relative to what was opened and may hold a name."""

    path: str = field(repr=False)
    reason: str


@dataclass(frozen=True, eq=False)
class Series:
    """One series, described from its headers; :meth:`load` reads the pixels.

    ``spacing_mm`` is (slice, row, column) or None without calibration; ``number`` is the series' own
    number in the file or its position (from 1) in the study; ``slices`` counts stored images.
    """

    uid: str
    number: int
    modality: str
    description: str
    rows: int
    columns: int
    slices: int
    spacing_mm: tuple[float, float, float] | None
    orientation: str
    transfer_syntax: str
    loader: Loader = field(repr=False)
    body_part: str = ""
    view: str = ""
    warnings: tuple[str, ...] = ()

    def load(self, context: RunContext | None = None) -> Volume:
        """Read and decode the pixels. Raises :class:`UserError` when they cannot be decoded."""
        return self.loader(context or RunContext())


@dataclass(frozen=True, eq=False)
class Study:
    """Everything found at one path."""

    path: str = field(repr=False)
    series: tuple[Series, ...]
    uid: str = ""
    identity: Identity = field(default_factory=Identity, repr=False)
    unreadable: tuple[Unreadable, ...] = ()

    def choose(self, wanted: str | int | None = None) -> Series:
        """The series with that UID or number; without a wish, the one with the most pixels.

        Raises :class:`UserError` naming the choices when there is no such series.
        """
        if wanted is None:
            return max(self.series, key=lambda s: s.slices * s.rows * s.columns)
        text = str(wanted)
        for series in self.series:
            if series.uid == text:
                return series
        for series in self.series:
            if str(series.number) == text:
                return series
        numbers = ", ".join(str(series.number) for series in self.series)
        raise UserError(f"The study has no series '{text}'.", f"Choose one of: {numbers}.")
