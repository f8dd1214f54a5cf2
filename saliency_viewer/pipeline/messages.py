"""What goes to the compute process and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.domain import AnalysisPlan, AnalysisResult

JobId = int | str


@dataclass(frozen=True)
class Job:
    """A frozen plan under an id of the caller's choice; ``trust_code`` is the user's consent for this package."""

    id: JobId
    plan: AnalysisPlan
    trust_code: bool = False


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


Event = Started | Progress | Done | Failed | Stopped
