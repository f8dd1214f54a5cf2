"""Where a training writes: its package, and beside it what must not be in one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from saliency_viewer.domain import TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.models import is_package, require_package_place
from saliency_viewer.runtime.files import write_error

CHECKPOINT = "checkpoint.safetensors"
COHORT_COLUMNS = ("subject", "image", "series", "patient", "label", "regions")


def work_folder(plan: TrainingPlan) -> Path:
    """Where prepared images and the checkpoint are until the package is written."""
    return _beside(plan, ".training")


def cohort_file(plan: TrainingPlan) -> Path:
    """The list of held-out cases. It holds paths, so it has no place in a package, which is passed on."""
    return _beside(plan, ".cohort.csv")


def _beside(plan: TrainingPlan, suffix: str) -> Path:
    out = Path(os.path.normpath(Path(plan.out).absolute()))  # "." has no name of its own
    return out.with_name(out.name + suffix)


def require_place(plan: TrainingPlan) -> None:
    """Raise :class:`UserError` unless the package, and what stands beside it, may be written. Nothing stays there."""
    require_package_place(plan.out)
    try:
        Path(tempfile.mkdtemp(prefix=".partial-", dir=_standing(plan))).rmdir()
        foreign = cohort_file(plan).exists() and not _is_cohort(cohort_file(plan))
    except OSError as error:
        raise write_error(error) from error
    if foreign:
        raise UserError(
            "Beside the package's folder, where the list of held-out cases goes, stands a file that no training wrote.",
            "Choose another folder for the package.",
        )


def free_bytes(plan: TrainingPlan) -> int:
    """What the disk has room for, with what an earlier run of this training left there."""
    old = (path.stat().st_size for path in work_folder(plan).rglob("*") if path.is_file())
    return shutil.disk_usage(_standing(plan)).free + sum(old)


def is_stopped(plan: TrainingPlan) -> bool:
    """Whether a training for this package was stopped or killed, and could be gone on with."""
    return (work_folder(plan) / CHECKPOINT).exists()


def is_finished(plan: TrainingPlan) -> bool:
    """Whether the package is there already."""
    return is_package(plan.out)


def require_nothing_lost(plan: TrainingPlan) -> None:
    """Raise :class:`UserError` when a training anew would take the place of what an earlier one has learnt."""
    if is_stopped(plan):
        raise UserError(
            "A training for this package was stopped, and what it had learnt would be lost.",
            "Go on with it (--resume), begin anew in its place (--anew), or choose another folder for the package.",
        )
    if is_finished(plan):
        raise UserError(
            "A finished package is there already, and would be lost.",
            "Choose another folder for the package, or begin anew in its place (--anew).",
        )


def forget_stopped(plan: TrainingPlan) -> None:
    """Remove the checkpoint of a stopped training: killed early, a new one must not be gone on with from there."""
    try:
        (work_folder(plan) / CHECKPOINT).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(error) from error


def _standing(plan: TrainingPlan) -> Path:
    """The nearest folder around the package that is there already."""
    return next(folder for folder in work_folder(plan).parents if folder.exists())


def _is_cohort(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.readline().strip() == ",".join(COHORT_COLUMNS).encode()
