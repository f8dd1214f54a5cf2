"""The left end of a row: which model it is and what it said."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.domain import Prediction
from saliency_viewer.gui import theme
from saliency_viewer.gui.comparing.state import Entry
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.model import Bar
from saliency_viewer.gui.panels.parts import ElidedLabel, ShortLabel, clear, label, row

WIDTH = 160
_CLASSES = 3
_LINES = 2  # of a name
_STAGES = {"new": "Not asked yet: press Run.", "waiting": "Waiting for its turn.", "running": "Being asked…"}


class ModelHead(QFrame):
    """Name, package, the likeliest classes with their probabilities, or why there are none."""

    def __init__(self, entry: Entry, intents: Intents) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setFixedWidth(WIDTH)
        self.entry = entry
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.S + 2, theme.S, theme.S, theme.S)
        column.setSpacing(theme.XS)
        self._name, self._dot = ShortLabel(lines=_LINES), label("●")
        self.remove = QPushButton("Remove")
        self.remove.setObjectName("mutedButton")
        self.remove.clicked.connect(lambda: intents.compare_remove.emit(entry.name))
        name = row(spacing=theme.XS + 2)
        name.addWidget(self._dot, 0, Qt.AlignmentFlag.AlignTop)
        name.addWidget(self._name, 1)
        column.addLayout(name)
        about = row()
        about.addWidget(ElidedLabel(entry.package, "muted"), 1)
        about.addWidget(self.remove)
        column.addLayout(about)
        self._answer = QVBoxLayout()
        self._answer.setSpacing(theme.XS)
        column.addLayout(self._answer)
        column.addStretch(1)
        self._shown: tuple[object, ...] = ()

    def refresh(self, busy: bool) -> None:
        """Read the entry; while anything runs it cannot be taken out."""
        entry = self.entry
        self.remove.setEnabled(not busy)
        self.remove.setToolTip("Take this model out of the comparison")
        shown = (entry.name, entry.colour, entry.stage, entry.result, entry.failure)
        if shown == self._shown:
            return
        self._shown = shown
        self._name.setText(entry.name)
        self.remove.setAccessibleName(f"Remove {entry.name}")
        self._name.setToolTip(f"{entry.name}\nArchitecture {entry.card.architecture}")
        self._dot.setStyleSheet(f"color: {entry.colour};")
        clear(self._answer)
        if entry.result is not None:
            self._show(entry.result.prediction, entry.result.warnings)
        elif entry.failure:
            self._say(entry.failure, "warning")
        else:
            self._say(_STAGES.get(entry.stage, ""), "muted")

    def _say(self, words: str, name: str) -> None:
        made = label(words, name, wraps=True)
        made.setToolTip(words)
        self._answer.addWidget(made)

    def _show(self, prediction: Prediction, warnings: tuple[str, ...]) -> None:
        order = sorted(range(len(prediction.classes)), key=lambda k: -prediction.probabilities[k])
        for k in order[:_CLASSES]:
            predicted, probability = k == prediction.predicted, float(prediction.probabilities[k])
            name, value = ElidedLabel(prediction.classes[k], "" if predicted else "soft"), label(f"{probability:.2f}")
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            value.setToolTip(f"Probability {probability:.4f}; raw score {float(prediction.logits[k]):.3g}")
            line = row()
            line.addWidget(name, 1)
            line.addWidget(value)
            self._answer.addLayout(line)
            self._answer.addWidget(Bar(probability, predicted))
        if len(order) > _CLASSES:
            self._answer.addWidget(label(f"and {len(order) - _CLASSES} more classes", "muted"))
        if prediction.aggregate:
            self._answer.addWidget(label(f"over slices: {prediction.aggregate}", "muted"))
        if warnings:
            note = label("warnings: point here", "warning")
            note.setToolTip("\n".join(warnings))
            self._answer.addWidget(note)


def row_note(title: str, words: str) -> QWidget:
    """The head of a row that is no model's."""
    made = QWidget()
    made.setFixedWidth(WIDTH)
    column = QVBoxLayout(made)
    column.setContentsMargins(theme.S + 2, theme.S, theme.S, theme.S)
    column.addWidget(label(title))
    column.addWidget(label(words, "muted", wraps=True))
    column.addStretch(1)
    return made
