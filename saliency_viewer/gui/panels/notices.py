"""Below the pictures: what is unusual about the files of image and regions, and the choice of a grid of two."""

from __future__ import annotations

from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QToolButton

from saliency_viewer.domain import Grid
from saliency_viewer.gui import theme
from saliency_viewer.gui.facts import GRID_NAMES
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import ElidedLabel, label, row
from saliency_viewer.gui.state import DocumentState

_GRID_TIPS: dict[Grid, str] = {
    "stored": "The slices as the files hold them, one picture for each",
    "regular": "Resampled: one distance between slices, right angles between axes",
}
_KEPT = "Regions and maps of each grid are kept in a case of its own."


class NoticeLine(QFrame):
    """A quiet amber sentence; its button tells them all. Not there when all is as usual."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self.setObjectName("bottomBar")
        self.setFixedHeight(32)
        self._state = state
        self.words = ElidedLabel("", "warning")
        self.more = QPushButton("")
        self.more.setObjectName("mutedButton")
        self.more.setToolTip("Everything that is unusual about the files of this image and its regions")
        self.more.clicked.connect(lambda: intents.warnings_dialog.emit())
        self._slices = label("Slices", "muted")
        self.grids: dict[Grid, QToolButton] = {}
        group = QButtonGroup(self)
        for grid, name in GRID_NAMES.items():
            button = QToolButton()
            button.setText(name)
            button.setCheckable(True)
            button.setObjectName("smallTab")
            button.setToolTip(f"{_GRID_TIPS[grid]}. {_KEPT}")
            button.clicked.connect(lambda _=False, grid=grid: intents.set_grid.emit(grid))
            group.addButton(button)
            self.grids[grid] = button
        line = row(spacing=theme.XS)
        line.setContentsMargins(theme.L, 0, theme.S, 0)
        line.addWidget(self.words, 1)
        for widget in (self.more, self._slices, *self.grids.values()):
            line.addWidget(widget)
        self.setLayout(line)
        for fact in (state.volume_changed, state.cases_changed, state.regions_changed, state.loading_changed):
            fact.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the state."""
        case = self._state.case
        warnings = case.warnings if case is not None else ()
        choice = case is not None and len(case.grids) > 1
        self.setVisible(bool(warnings) or choice)
        self.words.setText(warnings[0][:1].upper() + warnings[0][1:] if warnings else "")
        self.words.setToolTip("\n".join(warnings))
        self.more.setText(f"{len(warnings) - 1} more…" if len(warnings) > 1 else "Details…")
        self.more.setVisible(bool(warnings))
        self._slices.setVisible(choice)
        for grid, button in self.grids.items():
            button.setVisible(choice)
            button.setChecked(case is not None and case.grid == grid)
