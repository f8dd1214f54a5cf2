"""The training in the main window's last line: how far it is, while nobody looks at its page."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.training.run import Phase, Training

_ENDED: dict[Phase, str] = {
    "done": "Training done…",
    "checked": "Data checked…",
    "stopped": "Training stopped…",
    "failed": "Training failed…",
}


class TrainingEntry(QPushButton):
    """Says how far a training is, or that it ended unseen; pressing it opens the page."""

    def __init__(self, training: Training, intents: Intents) -> None:
        super().__init__()
        self.setObjectName("mutedButton")
        self.setToolTip("Open the training's page")
        self._training = training
        self.clicked.connect(lambda: intents.training_page.emit())
        training.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the run."""
        run = self._training.run
        self.setVisible(run.running or self._training.unseen)
        words = ("Training", f"{run.fraction:.0%}".replace("%", " %"), time_left(run.seconds_left))
        self.setText(" · ".join(word for word in words if word) if run.running else _ENDED.get(run.phase, ""))
