"""How a training goes, epoch by epoch: losses above, the area under the ROC curve below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFrame, QLabel, QStackedWidget, QVBoxLayout, QWidget

from saliency_viewer.domain import EpochFigures
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import label, row, section
from saliency_viewer.gui.training.run import best_epoch

TRAINING, VALIDATION, AUC = theme.ACCENT, theme.APPROXIMATE, theme.VERIFIED
_EMPTY = (
    "Choose the data, a network and a folder for its package. Check data looks at every file before hours are spent.\n"
    "The curves appear here after the first epoch."
)
_FEWEST = 5  # epochs on the axis, so that the first points do not stand at its ends


class TrainingCurves(QStackedWidget):
    """Two plots with one axis of epochs; the best epoch is marked, and the one under the mouse is written out."""

    def __init__(self) -> None:
        super().__init__()
        self._epochs: tuple[EpochFigures, ...] = ()
        self._running = False
        empty = label(_EMPTY, "soft", wraps=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.addWidget(empty)
        self.loss, self.auc = _Plot("Loss"), _Plot("AUC")
        self._training = self.loss.line(TRAINING)
        self._validation = self.loss.line(VALIDATION)
        self._chance = self.auc.across(0.5)
        self._area = self.auc.line(AUC)
        self._best = (self.loss.upright(), self.auc.upright())
        self._point = self.auc.point(AUC)
        self.words = label("", "muted")
        for plot in (self.loss, self.auc):
            plot.view.scene().sigMouseMoved.connect(lambda place, plot=plot: self._point_at(plot, place))
        self.addWidget(self._assemble())

    def show_epochs(self, epochs: Sequence[EpochFigures], running: bool) -> None:
        """Draw them; while the training runs there is room for more."""
        self._epochs, self._running = tuple(epochs), running
        self.setCurrentIndex(1 if epochs else 0)
        if not epochs:
            return
        numbers = [one.epoch for one in epochs]
        self._training.setData(numbers, _values(one.training_loss for one in epochs), connect="finite")
        self._validation.setData(numbers, _values(one.validation_loss for one in epochs), connect="finite")
        self._area.setData(numbers, _values(one.validation_auc for one in epochs), connect="finite")
        best = best_epoch(self._epochs)
        for line in self._best:
            line.setVisible(best is not None)
            line.setValue(best.epoch if best is not None else 0)
        self._point.setData([best.epoch] if best else [], [best.validation_auc] if best else [])
        last = max(numbers[-1], _FEWEST)
        end = max(last, min(epochs[-1].epochs, math.ceil(1.3 * last))) if running else last
        lowest = min((one.validation_auc for one in epochs if math.isfinite(one.validation_auc)), default=0.5)
        self.auc.range(end, min(lowest, 0.5) - 0.05, 1.05)
        losses = _values(loss for one in epochs for loss in (one.training_loss, one.validation_loss))
        self.loss.range(end, 0.0, 1.08 * float(np.nanmax(losses, initial=0.1)))
        self._write(None)

    def _assemble(self) -> QWidget:
        made = QFrame()
        made.setObjectName("card")
        column = QVBoxLayout(made)
        column.setContentsMargins(theme.M, theme.M, theme.M, theme.S)
        column.setSpacing(theme.XS)
        keys = [_key("training", TRAINING), _key("validation", VALIDATION)]
        column.addLayout(row(section("Loss, mean of each case"), None, *keys))
        column.addWidget(self.loss.view, 1)
        keys = [_key("validation", AUC), _key("chance", theme.MUTED), _key("best epoch", theme.SOFT)]
        column.addLayout(row(section("Area under the ROC curve"), None, *keys))
        column.addWidget(self.auc.view, 1)
        column.addWidget(self.words)
        return made

    def _point_at(self, plot: _Plot, place: QPointF) -> None:
        epoch = round(plot.view.getPlotItem().vb.mapSceneToView(place).x())
        self._write(next((one for one in self._epochs if one.epoch == epoch), None))

    def _write(self, epoch: EpochFigures | None) -> None:
        """The epoch under the mouse, else the best one, in numbers."""
        shown = epoch or best_epoch(self._epochs)
        if shown is None:
            self.words.setText("")
            return
        best = "Best so far: epoch" if self._running else "Best: epoch"
        name = f"{'Epoch' if epoch is not None else best} {shown.epoch}"
        self.words.setText(
            f"{name} · loss {shown.training_loss:.3f} training, {shown.validation_loss:.3f} validation"
            f" · AUC {shown.validation_auc:.3f} · {shown.seconds:.0f} s"
        )


class _Plot:
    """A plot in the window's colours that the mouse cannot move."""

    def __init__(self, name: str) -> None:
        self.view = pg.PlotWidget(background=theme.CARD)
        self.view.setAntialiasing(True)
        self.view.setMouseEnabled(x=False, y=False)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing in it can be done; its words stand below
        self.view.setAccessibleName(f"{name} of each epoch")
        self.view.setMenuEnabled(False)
        self.view.hideButtons()
        self.view.showGrid(x=False, y=True, alpha=0.25)
        self.view.setLabel("left", name, color=theme.MUTED)
        self.view.setLabel("bottom", "Epoch", color=theme.MUTED)
        for side in ("left", "bottom"):
            axis = self.view.getAxis(side)
            axis.setPen(theme.LINE)
            axis.setTextPen(theme.MUTED)
            axis.setStyle(tickFont=theme.font(11))
            axis.enableAutoSIPrefix(False)
        self.view.getAxis("left").setWidth(52)  # the same for both plots: one epoch stands above itself

    def line(self, colour: str) -> Any:
        """An empty curve with a dot for each epoch."""
        return self.view.plot(
            pen=pg.mkPen(colour, width=2), symbol="o", symbolSize=5, symbolBrush=colour, symbolPen=None
        )

    def point(self, colour: str) -> Any:
        """An empty ring."""
        made = pg.ScatterPlotItem(size=11, pen=pg.mkPen(theme.TEXT, width=2), brush=pg.mkBrush(colour))
        self.view.addItem(made)
        return made

    def upright(self) -> Any:
        """A dashed line at one epoch."""
        return self._infinite(90, theme.SOFT)

    def across(self, value: float) -> Any:
        """A dashed line at one value."""
        made = self._infinite(0, theme.MUTED)
        made.setValue(value)
        return made

    def range(self, epochs: int, low: float, high: float) -> None:
        """From the first epoch to ``epochs``, and from ``low`` to ``high``."""
        self.view.setXRange(1, epochs, padding=0.03)
        self.view.setYRange(low, high, padding=0)
        step = max(1, math.ceil(epochs / 10))
        self.view.getAxis("bottom").setTicks([[(k, f"{k}") for k in range(step if step > 1 else 1, epochs + 1, step)]])

    def _infinite(self, angle: int, colour: str) -> Any:
        made = pg.InfiniteLine(angle=angle, pen=pg.mkPen(colour, width=1, style=Qt.PenStyle.DashLine))
        self.view.addItem(made)
        return made


def _values(values: Any) -> Any:
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _key(text: str, colour: str) -> QLabel:
    made = label(f"● {text}" if text not in ("chance", "best epoch") else f"┄ {text}", "muted")
    made.setStyleSheet(f"color: {colour};")
    return made
