"""What goes to the compute process and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, ImageReference
from saliency_viewer.pipeline.description import ModelDescription

JobId = int | str


@dataclass(frozen=True)
class Job:
    """A frozen plan under an id of the caller's choice.

    ``allowed_code`` holds SHA-256 digests of the Python files that the user allowed model packages to run.
    """

    id: JobId
    plan: AnalysisPlan
    allowed_code: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModelJob:
    """Load a model package and describe it; ``allowed_code`` as in :class:`Job`."""

    id: JobId
    model: str
    allowed_code: frozenset[str] = frozenset()

    @property
    def plan(self) -> AnalysisPlan:
        """A plan that names the model and asks nothing of it."""
        return AnalysisPlan(ImageReference(""), self.model, ())


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
class Described:
    """What a :class:`ModelJob` found."""

    job_id: JobId
    description: ModelDescription


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


Event = Started | Progress | Done | Described | Failed | Stopped
