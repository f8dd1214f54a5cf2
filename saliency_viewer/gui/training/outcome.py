"""What came out of a training: how good the network is on patients it never saw, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout

from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.panels.parts import clear, label, row, section
from saliency_viewer.gui.training.run import TrainingRun, best_epoch


@dataclass(frozen=True)
class Figure:
    """A number with its name, and against what it is to be read."""

    name: str
    value: str
    tip: str


class OutcomeCard(QFrame):
    """Figures of a finished training, and buttons to use the network and to read the report."""

    def __init__(self, pool: FilePool) -> None:
        super().__init__()
        self.setObjectName("card")
        self._pool, self._shown = pool, ""
        self.use, self.open = QPushButton("Use this model"), QPushButton("Open report")
        self.use.setObjectName("primary")
        self.open.setObjectName("plain")
        self.use.setToolTip("Make it the model of the main window")
        self._figures = QHBoxLayout()
        self._figures.setSpacing(theme.L * 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.M, theme.S, theme.M, theme.M)
        column.setSpacing(theme.XS)
        column.addLayout(row(section("Outcome"), None, self.open, self.use))
        column.addLayout(self._figures)
        self.hide()

    def show_run(self, run: TrainingRun) -> None:
        """Read the run: shown when it is done."""
        self.setVisible(run.phase == "done")
        self.open.setVisible(bool(run.report))
        if run.phase != "done":
            self._shown = ""
        elif self._shown != run.report or not run.report:
            self._shown = run.report
            self._write(figures_of_run(run))
            if run.report:
                self._pool.run(lambda: read_figures(Path(run.report)), self._write, lambda _error: None)

    def _write(self, figures: tuple[Figure, ...]) -> None:
        clear(self._figures)
        for one in figures:
            name, value = label(one.name, "muted"), label(one.value, "appName")
            both = QVBoxLayout()
            both.setSpacing(2)
            for part in (name, value):
                part.setToolTip(one.tip)
                both.addWidget(part)
            self._figures.addLayout(both)
        self._figures.addStretch(1)


def figures_of_run(run: TrainingRun) -> tuple[Figure, ...]:
    """What the epochs alone tell: the report says more."""
    best = best_epoch(run.epochs)
    if best is None:
        return ()
    return (Figure("Validation AUC", f"{best.validation_auc:.3f}", f"Of epoch {best.epoch}, which it was chosen by"),)


def read_figures(page: Path) -> tuple[Figure, ...]:
    """The figures of a training's report, out of ``report.json`` beside its ``page``.

    Raises :class:`UserError` when it cannot be read.
    """
    try:
        said = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
        return tuple(_figures(said, said[said["judged_on"]]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError("The training's report cannot be read.", "Open its folder.", repr(error)) from error


def _figures(said: dict[str, Any], judged: dict[str, Any]) -> Iterator[Figure]:
    name = said["judged_on"].capitalize()
    against = f"{judged['cases']} cases of {judged['patients']} patients; 0.5 is chance"
    yield Figure(f"{name} AUC", _number(judged["auc"]), against)
    if len(judged["by_class"]) == 1:
        (one,) = judged["by_class"].values()
        ends = " to ".join(_number(end) for end in one["auc_interval_95"])
        yield Figure("95 % interval", ends, "Where the AUC would come to lie with other patients")
        yield Figure("Sensitivity", _number(one["sensitivity"]), "At the threshold; of the cases with the finding")
        yield Figure("Specificity", _number(one["specificity"]), "At the threshold; of the cases without it")
    yield Figure("Accuracy", _number(judged["accuracy"]), "Share of cases whose class was found")
    if said["threshold"] is not None:
        yield Figure("Threshold", _number(said["threshold"]), said["threshold_rule"])


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
