"""Right, fourth: what each region contributes to the chosen map."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.domain import StatisticRow
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import card, label, method_label, row
from saliency_viewer.gui.state import DocumentState

_FEET = (
    "“× area”: 1 is what chance would give. Point at a number to see what it means.",
    "Raw values of the map, never of its colours. Point at a number to see what it is held against.",
)
_AT_DETECTOR = "Sizes are at detector: in the patient they are smaller by the magnification."
_EMPTY = "The numbers appear as soon as there is a map and a region."


@dataclass(frozen=True)
class Column:
    """A column: the statistics it may show, how it is written and against what it is to be held."""

    title: str
    statistics: tuple[str, ...]
    form: str
    tip: str


SHARES = (
    Column(
        "Share",
        ("mass_fraction",),
        "percent",
        "Part of the map's positive evidence inside the region; a constant map gives its part of the area.",
    ),
    Column("× area", ("enrichment",), "1", "Share of evidence over share of area: 1 is what chance would give."),
    Column("Hit", ("pointing_hit",), "hit", "Whether the map's highest value lies in the region."),
    Column("AP", ("average_precision",), "2", "How well the map ranks the region's pixels first; chance is its area."),
    Column("Size", ("volume_ml", "area_mm2", "voxels"), "size", "Volume or area of the region."),
)
VALUES = (
    Column("Mean", ("mean",), "g", "Mean raw value, against the values outside."),
    Column("SD", ("sd",), "g", "Standard deviation of the raw values."),
    Column("Min", ("min",), "g", "Lowest raw value."),
    Column("Max", ("max",), "g", "Highest raw value."),
)


def written(value: float | None, form: str, unit: str = "") -> str:
    """A number as the table shows it; an em dash when it is undefined."""
    if value is None:
        return "—"
    if form == "percent":
        return f"{100 * value:.0f} %"
    if form == "hit":
        return "yes" if value > 0 else "no"
    if form == "size":
        return _size(value, unit)
    return f"{value:.3g}" if form == "g" else f"{value:.{form}f}"


def _size(value: float, unit: str) -> str:
    """A size in a few characters: large areas in cm², counts as they are."""
    if unit == "mm2":
        return f"{value / 100:.{0 if value >= 10000 else 1}f} cm²" if value >= 100 else f"{value:.3g} mm²"
    if unit == "voxels":
        return f"{value / 1e6:.2f} Mpx" if value >= 1e5 else f"{value:.0f} px"
    return f"{value:.{0 if value >= 100 else 2}f} {unit}"


def tip_of(row: StatisticRow, column: Column) -> str:
    """What the number is, and against what it is to be held."""
    parts = [column.tip]
    if row.value is not None:
        parts.append(f"{row.statistic} = {row.value:.6g} {row.unit}".strip())
    if row.reference is not None:
        against = f"{row.reference:.4g}" if isinstance(row.reference, float) else row.reference
        parts.append(f"Against: {against}")
    if row.note:
        parts.append(row.note)
    return "\n".join(parts)


class EvidencePanel(QWidget):
    """One line for each region, one column for each number; two sets of columns, so that each fits the panel."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self._state, self._intents = state, intents
        frame, inside, self._title = card("Evidence")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self._empty = label(_EMPTY, "muted", wraps=True)
        self.shares, self.values = _tab("Shares"), _tab("Values")
        self.shares.setChecked(True)
        self._tabs = QButtonGroup(self)
        for tab in (self.shares, self.values):
            self._tabs.addButton(tab)
        self._tabs.buttonToggled.connect(lambda _tab, on: self.refresh() if on else None)
        inside.removeWidget(self._title)
        inside.insertLayout(0, row(self._title, None, self.shares, self.values, spacing=2))
        self.table = QTableWidget(0, 1 + max(len(SHARES), len(VALUES)))
        self._prepare()
        self._foot = label("", "muted", True)
        for widget in (self._empty, self.table, self._foot):
            inside.addWidget(widget)
        for fact in (state.rows_changed, state.map_changed, state.result_changed, state.volume_changed):
            fact.connect(self.refresh)
        self.table.cellClicked.connect(self._choose)
        self.refresh()

    def _prepare(self) -> None:
        table = self.table
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        head = QTableWidgetItem("Region")
        head.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.setHorizontalHeaderItem(0, head)
        table.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(34)
        table.verticalHeader().setDefaultSectionSize(26)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The set of columns that is shown."""
        return SHARES if self.shares.isChecked() else VALUES

    def refresh(self) -> None:
        """Read the state."""
        amap = self._state.amap
        case = self._state.case
        rows = case.rows if case is not None and amap is not None else ()
        method = amap.method if amap is not None else ""
        mine = [one for one in rows if one.method == method]
        self._title.setText(f"EVIDENCE · {method_label(method).upper()}" if method else "EVIDENCE")
        shown = {statistic for column in self.columns for statistic in column.statistics}
        names = list(dict.fromkeys(one.region for one in mine if one.statistic in shown))
        self._empty.setVisible(not names)
        self.table.setVisible(bool(names))
        for tab in (self.shares, self.values, self._foot):
            tab.setVisible(bool(names))
        volume = self._state.volume
        at_detector = volume is not None and volume.geometry.calibration == "detector" and self.columns is SHARES
        self._foot.setText(" ".join([_FEET[self.columns is VALUES], *([_AT_DETECTOR] if at_detector else [])]))
        self._head()
        self.table.setRowCount(len(names))
        found = {(one.region, one.statistic): one for one in mine}
        for line, name in enumerate(names):
            self._fill(line, name, found)
        self.table.setFixedHeight(26 * len(names) + self.table.horizontalHeader().sizeHint().height() + 2)

    def _head(self) -> None:
        self.table.setColumnCount(1 + len(self.columns))
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for k, column in enumerate(self.columns, start=1):
            head = QTableWidgetItem(column.title)
            head.setToolTip(column.tip)
            head.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setHorizontalHeaderItem(k, head)

    def _fill(self, line: int, name: str, found: dict[tuple[str, str], StatisticRow]) -> None:
        head = QTableWidgetItem(_dot(self._colour(name)), name)
        head.setToolTip(name)
        self.table.setItem(line, 0, head)
        for k, column in enumerate(self.columns, start=1):
            known = [found[name, one] for one in column.statistics if (name, one) in found]
            # Of an image without calibration the volume is undefined, and the count of voxels is what there is.
            found_row = next((one for one in known if one.value is not None), next(iter(known), None))
            text = written(found_row.value, column.form, found_row.unit) if found_row is not None else "—"
            item = QTableWidgetItem(text)
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(tip_of(found_row, column) if found_row is not None else column.tip)
            self.table.setItem(line, k, item)

    def _colour(self, name: str) -> str:
        regions = self._state.regions
        known = regions is not None and name in regions.names
        return regions.get(name).colour if regions is not None and known else "#566070"

    def _choose(self, line: int, _column: int) -> None:
        item = self.table.item(line, 0)
        regions = self._state.regions
        if item is not None and regions is not None and item.text() in regions.names:
            self._intents.select_region.emit(item.text())


def _tab(text: str) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setCheckable(True)
    made.setObjectName("smallTab")
    return made


def _dot(colour: str) -> QIcon:
    picture = QPixmap(10, 10)
    picture.fill(QColor(0, 0, 0, 0))
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(colour))
        painter.setPen(QColor(0, 0, 0, 0))
        painter.drawEllipse(1, 1, 8, 8)
    return QIcon(picture)
