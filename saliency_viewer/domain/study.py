"""What a path holds: a study with its series, known from headers before any pixel is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from saliency_viewer.domain.volume import Volume
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial.geometry import Calibration

Loader = Callable[[RunContext], Volume]
# How planes become a volume. "stored": as the files hold them, one slice each. "regular": resampled onto a grid with
# one distance between slices and right angles between axes.
Grid = Literal["stored", "regular"]


@dataclass(frozen=True)
class Identity:
    """Who the study is of. Kept in memory for ``--identify`` only; its repr says nothing.

    ``others`` are further texts that name people or the visit: other IDs, accession number, physicians, dates.
    """

    patient_name: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)
    others: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be used, and why. ``path`` is relative to what was opened and may hold a name."""

    path: str = field(repr=False)
    reason: str


@dataclass(frozen=True, eq=False)
class Series:
    """One series, described from its headers; :meth:`load` reads the pixels.

    ``spacing_mm`` is (slice, row, column) or None without calibration, and the first None where slices have no places
    (a radiograph, a cine); ``calibration`` says where these millimetres hold. ``number`` is the series' own number in
    the file or its position (from 1) in the study; ``slices`` counts stored images. ``group`` tells patients and
    studies apart ("patient 1, study 2"), empty when everything belongs together.

    ``loader`` gives the usual grid, the first of ``grids``; ``other_loader`` the second one of a series whose slices
    are tilted or unevenly spaced.
    """

    uid: str
    number: int
    modality: str
    description: str
    rows: int
    columns: int
    slices: int
    spacing_mm: tuple[float | None, float, float] | None
    orientation: str
    transfer_syntax: str
    loader: Loader = field(repr=False)
    body_part: str = ""
    view: str = ""
    warnings: tuple[str, ...] = ()
    calibration: Calibration = "none"
    study_uid: str = field(default="", repr=False)
    group: str = ""
    identity: Identity = field(default_factory=Identity, repr=False)
    grids: tuple[Grid, ...] = ("stored",)
    other_loader: Loader | None = field(default=None, repr=False)

    def load(self, context: RunContext | None = None, grid: Grid | None = None) -> Volume:
        """Read and decode the pixels, on the usual grid or on another one of ``grids``.

        A grid that the series does not offer is the usual one: slices that are regular as stored have no other.
        Raises :class:`UserError` when the pixels cannot be decoded.
        """
        other = self.other_loader if grid in self.grids[1:] else None
        return (other or self.loader)(context or RunContext())


@dataclass(frozen=True, eq=False)
class Study:
    """Everything found at one path."""

    path: str = field(repr=False)
    series: tuple[Series, ...]
    uid: str = ""
    identity: Identity = field(default_factory=Identity, repr=False)
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Everybody whom the series are of, each once."""
        return tuple(dict.fromkeys((self.identity, *(series.identity for series in self.series))))

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
