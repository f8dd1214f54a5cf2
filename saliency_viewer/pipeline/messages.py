"""What goes to the compute process and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from saliency_viewer.domain import AnalysisPlan, AnalysisResult
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext

JobId = int | str


@dataclass(frozen=True)
class Job:
    """A frozen plan under an id of the caller's choice.

    ``allowed_code`` holds SHA-256 digests of the Python files that the user allowed model packages to run.
    """

    id: JobId
    plan: AnalysisPlan
    allowed_code: frozenset[str] = frozenset()

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths whose names must appear in no message."""
        return self.plan.image.path, self.plan.model


class Request(Protocol):
    """Something else that the compute process shall do: a frozen dataclass of an importable module."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths whose names must appear in no message."""

    def run(self, services: Services, context: RunContext) -> Any:
        """The answer; raises :class:`UserError` and :class:`Cancelled`."""


@dataclass(frozen=True)
class Errand:
    """A request under an id of the caller's choice; ``allowed_code`` as in :class:`Job`."""

    id: JobId
    request: Request
    allowed_code: frozenset[str] = frozenset()

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths whose names must appear in no message."""
        return self.request.paths


AnyJob = Job | Errand


@dataclass(frozen=True)
class Started:
    """The computation of a job began."""

    job_id: JobId


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``fraction`` in 0..1, never going back."""

    job_id: JobId
    fraction: float
    text: str


@dataclass(frozen=True, eq=False)
class Done:
    """A job's result, with arrays of the receiver's own."""

    job_id: JobId
    result: AnalysisResult


@dataclass(frozen=True, eq=False)
class Answered:
    """What came of an :class:`Errand`."""

    job_id: JobId
    answer: Any


@dataclass(frozen=True)
class Failed:
    """A job that gave nothing, in the words of :class:`UserError`."""

    job_id: JobId
    message: str
    hint: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Stopped:
    """A job that the user cancelled."""

    job_id: JobId


Event = Started | Progress | Done | Answered | Failed | Stopped
