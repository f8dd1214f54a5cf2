"""The comparison page: what can be done on top, the grid, and the numbers below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSlider,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.gui import theme
from saliency_viewer.gui.comparing.grid import CompareGrid
from saliency_viewer.gui.comparing.state import ComparingState
from saliency_viewer.gui.comparing.table import AgreementTable
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.panels.bars import BottomBar
from saliency_viewer.gui.panels.menus import opening_menu
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.panels.parts import ElidedLabel, TickBox, label, row
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewports import plane_name
from saliency_viewer.render import Scale

_SCALES: tuple[tuple[Scale, str, str], ...] = (
    ("own", "each map its own", "Every map from its own smallest to its own largest value: shows where, not how much."),
    ("method", "one per method", "All models' maps by one method share a scale of raw values: a paler map says less."),
    (
        "all",
        "shares of each peak",
        "Every map divided by its own largest value, in the same colours: methods can be read beside each other, but "
        "only where they point, not how strongly. Raw values of two methods have different units.",
    ),
)
_HEIGHTS = [2000, 190]  # the grid gets what the table leaves
_LEVELS = (5, 95)  # per cent
_HINT = "Add two model packages or more, tick methods at the right, and press Run."


class ComparePage(QWidget):
    """Models down, methods across; everything that a widget here wants goes through the intents."""

    def __init__(
        self, document: DocumentState, comparing: ComparingState, intents: Intents, recent: RecentFiles
    ) -> None:
        super().__init__()
        self._document, self._comparing, self._intents = document, comparing, intents
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.S - 2, theme.S - 2, theme.S - 2, theme.S - 2)
        column.setSpacing(theme.S - 2)
        column.addWidget(self._top(recent))
        self.grid, self.table = CompareGrid(document, comparing, intents), AgreementTable(comparing)
        self.grid.stands_after = self.ranks
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.grid)
        parts.addWidget(self.table)
        parts.setStretchFactor(0, 1)
        parts.setStretchFactor(1, 0)
        parts.setSizes(_HEIGHTS)
        parts.setChildrenCollapsible(False)
        column.addWidget(parts, 1)
        self.bottom = BottomBar(document, intents, lambda: bool(comparing.methods))
        column.addWidget(self.bottom)
        for fact in (comparing.entries_changed, comparing.agreement_changed, comparing.compute_changed):
            fact.connect(self.refresh)
        for fact in (comparing.look_changed, document.volume_changed, document.view_changed):
            fact.connect(self.refresh)
        comparing.entries_changed.connect(self.bottom.refresh)
        self.refresh()

    def _top(self, recent: RecentFiles) -> QWidget:
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(theme.XS, 0, theme.XS, 0)
        column.setSpacing(theme.S - 2)
        column.addLayout(self._commands(recent))
        column.addLayout(self._options())
        return made

    def _commands(self, recent: RecentFiles) -> QHBoxLayout:
        intents = self._intents
        add = QPushButton("Add model ▾")
        add.setObjectName("plain")
        add.setAccessibleName("Add model")
        ask, take = intents.compare_add_dialog.emit, intents.compare_add.emit
        ways = [("Folder with model.toml…", lambda: ask("folder")), ("Zip…", lambda: ask("file"))]
        add.setMenu(opening_menu(add, intents, ways, lambda: recent.list.models, lambda path: take(path)))
        self.go, self.stop, self.export = QPushButton("Run"), QPushButton("Cancel"), QPushButton("Export…")
        self.go.setObjectName("primary")
        self.go.setToolTip("Ask every model about this image, with the methods ticked at the right")
        self.go.clicked.connect(lambda: intents.compare_run.emit())
        self.stop.clicked.connect(lambda: intents.cancel.emit())
        self.export.setToolTip("Write the maps, the grid as a picture and the agreement as a table")
        self.export.clicked.connect(lambda: intents.compare_export_dialog.emit())
        back = QPushButton("Back to images")
        back.setToolTip("Leave the comparison (Esc)")
        back.clicked.connect(lambda: intents.show_images.emit())
        self.bar, self.words = QProgressBar(), ElidedLabel("", "muted")
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the comparison")
        self.bar.setRange(0, 1000)
        self.bar.setFixedWidth(120)
        line = row(add, self.go, self.bar)
        line.addWidget(self.words, 1)
        for widget in (self.stop, self.export, back):
            line.addWidget(widget)
        return line

    def _options(self) -> QHBoxLayout:
        change = self._intents.compare_look.emit
        self.scale = QComboBox()
        self.scale.setAccessibleName("Colours")
        for k, (_, name, tip) in enumerate(_SCALES):
            self.scale.addItem(name)
            self.scale.setItemData(k, tip, Qt.ItemDataRole.ToolTipRole)
        self.scale.activated.connect(lambda k: change("scale", _SCALES[k][0]))
        self.contours = _tick("Contours", "Lines round the strongest part of each map")
        self.level = QSlider(Qt.Orientation.Horizontal)
        self.level.setRange(*_LEVELS)
        self.level.setFixedWidth(64)
        self.level.setAccessibleName("Level of the contours, per cent of each map's peak")
        self.level.setToolTip("Where the contours run: share of each map's peak")
        self.level.valueChanged.connect(lambda value: change("level", value / 100))
        self.share = label("", "soft")
        self.share.setMinimumWidth(36)
        self.image = _tick("Image", "A row with the image and the contours of all models")
        self.ranks = _tick("Disagreement", "A row with the places that the models rank differently")
        for name, box in (("contours", self.contours), ("image", self.image), ("disagreement", self.ranks)):
            box.clicked.connect(lambda on, name=name: change(name, on))
        self.plane = QComboBox()
        self.plane.setToolTip("Which way the volume is cut")
        self.plane.setAccessibleName("Plane")
        self.plane.activated.connect(lambda axis: self._intents.set_axis.emit(axis))
        return row(
            label("Colours", "soft"), self.scale, self.plane, None, self.contours, self.level, self.share,
            self.image, self.ranks,
        )  # fmt: skip

    def refresh(self) -> None:
        """Read the state."""
        look, compute = self._comparing.look, self._comparing.compute
        busy = compute.job is not None
        scale = next(k for k, (name, _, _) in enumerate(_SCALES) if name == look.scale)
        self.scale.setCurrentIndex(scale)
        self.scale.setToolTip(_SCALES[scale][2])
        for box, on in ((self.contours, look.contours), (self.image, look.image), (self.ranks, look.disagreement)):
            box.setChecked(on)
        self.level.blockSignals(True)
        self.level.setValue(round(100 * look.level))
        self.level.blockSignals(False)
        self.level.setEnabled(look.contours)
        self.share.setText(f"{100 * look.level:.0f} %")
        self.go.setEnabled(not busy and bool(self._comparing.entries) and self._document.volume is not None)
        self.stop.setVisible(busy)
        self.stop.setEnabled(not compute.stopping)
        self.bar.setVisible(busy)
        self.bar.setValue(round(1000 * compute.fraction))
        words = " · ".join(word for word in (compute.text, time_left(compute.seconds_left)) if word)
        self.words.setText(words if busy else self._hint())
        self.export.setEnabled(not busy and self._comparing.comparison is not None)
        self.table.setVisible(self._comparing.comparison is not None)
        self._refresh_planes()

    def _hint(self) -> str:
        if self._document.volume is None:
            return "Open a study first."
        return _HINT if len(self._comparing.entries) < 2 else ""

    def _refresh_planes(self) -> None:
        volume = self._document.volume
        names = [plane_name(volume, axis) for axis in range(3)] if volume is not None and volume.is_stack else []
        if [self.plane.itemText(k) for k in range(self.plane.count())] != names:
            self.plane.clear()
            self.plane.addItems(names)
        self.plane.setVisible(bool(names))
        self.plane.setCurrentIndex(self._document.view.axis if names else -1)


def _tick(text: str, tip: str) -> TickBox:
    made = TickBox(text)
    made.setToolTip(tip)
    return made
