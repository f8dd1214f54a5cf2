"""The files of a training's report, in the package: numbers, tables, figures, and a page of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saliency_viewer
from saliency_viewer.domain import RESEARCH_NOTICE, EpochFigures, ModelCard, TrainingSettings, parameter_specs
from saliency_viewer.exporters import (
    case_identifier,
    file_sha256,
    library_versions,
    write_manifest,
    write_png,
    write_table,
)
from saliency_viewer.models import card_to_toml
from saliency_viewer.pipeline.training.ground import SPLITS, Ground, cases_digest
from saliency_viewer.pipeline.training.localisation import Localisation, patient_code
from saliency_viewer.pipeline.training.page import page_html
from saliency_viewer.runtime.files import write_text

if TYPE_CHECKING:
    from saliency_viewer.training.judgement import Judgement

REPORT = "report"
PAGE, FIGURES_DATA, HISTORY, SPLIT_TABLE, MANIFEST = (
    "report.html",
    "report.json",
    "history.csv",
    "splits.csv",
    "manifest.json",
)


@dataclass(frozen=True, eq=False)
class Made:
    """All that a training gave. ``digests`` are those of the decoded images, one for each case of the data set."""

    ground: Ground
    card: ModelCard
    digests: tuple[str, ...]
    history: tuple[EpochFigures, ...]
    judgement: Judgement
    localisation: Localisation | None
    device: str
    seconds: float

    @property
    def kept(self) -> EpochFigures:
        """The epoch whose weights are in the package."""
        return next(figures for figures in reversed(self.history) if figures.best)


def write_report(made: Made, folder: Path) -> Path:
    """Write everything into ``folder``; returns the page. Raises :class:`UserError` when the disk refuses."""
    pictures = _pictures(made)
    for name, pixels in pictures.items():
        write_png(pixels, folder / f"{name}.png")
    write_manifest(figures_data(made), folder / FIGURES_DATA)
    columns = [field.name for field in fields(EpochFigures)]
    write_table(columns, ([getattr(one, name) for name in columns] for one in made.history), folder / HISTORY)
    write_table(("subject", "image", "split", "label"), _split_rows(made), folder / SPLIT_TABLE)
    write_manifest(_manifest(made), folder / MANIFEST)
    write_text(folder / PAGE, page_html(made, pictures))
    return folder / PAGE


def figures_data(made: Made) -> dict[str, Any]:
    """``report.json``: the held-out area under the ROC curve and the threshold first, then everything."""
    judged = made.judgement.judged.to_dict()
    return {
        "auc": judged["auc"],
        "judged_on": "test" if made.judgement.test else "validation",
        **made.judgement.to_dict(),
        "best_epoch": made.kept.epoch,
        "epochs": len(made.history),
        "localisation": made.localisation.to_dict() if made.localisation else None,
    }


def _pictures(made: Made) -> dict[str, Any]:
    from saliency_viewer.training.figures import calibration_figure, confusion_figure, curves_figure, roc_figure

    judged = made.judgement.judged
    return {
        "roc": roc_figure(judged, made.judgement.threshold),
        "calibration": calibration_figure(judged),
        "confusion": confusion_figure(judged),
        "curves": curves_figure(made.history),
    }


def _split_rows(made: Made) -> Sequence[tuple[str, ...]]:
    """Who was where, under names that lead nowhere."""
    ground = made.ground
    return [
        (
            patient_code(ground.data.cases[case].patient),
            case_identifier(made.digests[case]),
            name,
            ground.data.classes[ground.data.cases[case].label],
        )
        for name in SPLITS
        for case in ground.cases(name)
    ]


def _manifest(made: Made) -> dict[str, Any]:
    ground, plan = made.ground, made.ground.plan
    settings = {spec.name: getattr(plan.settings, spec.name) for spec in parameter_specs(TrainingSettings)}
    if settings["pretrained"] not in ("", "imagenet"):
        settings["pretrained"] = "a file"
    return {
        "program": "Saliency Viewer",
        "version": saliency_viewer.__version__,
        "notice": RESEARCH_NOTICE,
        "command": "train",
        "libraries": library_versions(),
        "plan": {
            "dataset": plan.dataset,
            "architecture": ground.network.name,
            "settings": settings,
            "device": made.device,
            "threads": plan.threads,
            "limit": plan.limit,
        },
        "seed": plan.settings.seed,
        "data": {name: _of_split(made, name) for name in SPLITS if ground.cases(name)},
        "card": card_to_toml(made.card),
        "weights_sha256": file_sha256(Path(plan.out) / made.card.weights),
        "best_epoch": made.kept.epoch,
        "warnings": list(ground.warnings),
        "seconds": round(made.seconds, 3),
    }


def _of_split(made: Made, name: str) -> dict[str, Any]:
    ground = made.ground
    cases = ground.cases(name)
    labels = [ground.data.cases[case].label for case in cases]
    return {
        "sha256": cases_digest(ground, name, made.digests),
        "cases": len(cases),
        "patients": len({ground.patients[case] for case in cases}),
        "cases_by_class": {one: labels.count(k) for k, one in enumerate(ground.data.classes)},
    }
