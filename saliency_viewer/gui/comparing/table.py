"""The numbers below the grid: how far the maps agree against chance, and what each region holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFrame,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
)

from saliency_viewer.domain import AgreementRow, Comparison
from saliency_viewer.gui import theme
from saliency_viewer.gui.comparing.shown import region_shares
from saliency_viewer.gui.comparing.state import ComparingState
from saliency_viewer.gui.panels.parts import card, label, method_label, row

_SAME_MODEL = "same model"
_LOWEST = 84
_WIDEST = 300  # of a column: long names must not push the numbers out of sight
_LETTERS = 19  # of a name, where two stand in one column
_DOT, _GAP = 8, 3
_TABS = ("Between models", "Between methods", "Regions")
_FEET = (
    "Two trainings of one architecture: repeatability. Two architectures: reproducibility. "
    "Green lies above what 95 % of unrelated, equally smooth maps reach; the limit stands in brackets.",
    "Two methods on one model. Green lies above what 95 % of unrelated, equally smooth maps reach (in brackets).",
    "Share of each map's positive evidence that lies in the region.",
)
_EMPTY = "The numbers appear once the models have been asked."
_TITLES = {
    "rank_correlation": "Rank ρ",
    "rank_correlation_abs": "Rank ρ of sizes",
    "iou_top_10": "IoU top 10 %",
    "peak_distance": "Peaks apart",
    "mass_fraction_difference": "Δ share",
}
_TIPS = {
    "rank_correlation": "Spearman's ρ of the raw signed values: do both say for and against at the same places?",
    "rank_correlation_abs": "Spearman's ρ of absolute values: do both look at the same places?",
    "iou_top_10": "The strongest tenth of each map: places in both, over places in either.",
    "peak_distance": "Millimetres between the highest values.",
    "mass_fraction_difference": "How far apart the region's shares of the positive evidence are.",
}


@dataclass(frozen=True)
class Cell:
    """A number as the table shows it."""

    text: str
    tip: str = ""
    colour: str = theme.TEXT
    models: tuple[str, ...] = ()  # whose colours stand before it


@dataclass(frozen=True)
class Sheet:
    """One tab: column titles, and lines of as many cells."""

    titles: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]


def agreement_sheet(comparison: Comparison, between_models: bool) -> Sheet:
    """A line for each pair of maps, a column for each number about them."""
    rows = [one for one in comparison.rows if (one.relation != _SAME_MODEL) == between_models]
    numbers = tuple(dict.fromkeys((one.statistic, one.region) for one in rows))
    pairs: dict[tuple[str, ...], dict[tuple[str, str], AgreementRow]] = {}
    for one in rows:
        key = (one.model_a, one.model_b, one.method_a, one.method_b, one.relation)
        pairs.setdefault(key, {})[one.statistic, one.region] = one
    heads = ("Models", "Method", "Relation") if between_models else ("Model", "Methods")
    lines = [
        (*_pair_words(key, between_models), *(agreement_cell(found.get(number)) for number in numbers))
        for key, found in pairs.items()
    ]
    return Sheet((*heads, *(_title(*number) for number in numbers)), tuple(lines))


def _pair_words(key: tuple[str, ...], between_models: bool) -> tuple[Cell, ...]:
    model_a, model_b, method_a, method_b, relation = key
    a, b = method_label(method_a), method_label(method_b)
    methods = Cell(a if a == b else f"{a} – {b}")
    if not between_models:
        return _model_cell(model_a), methods
    return _model_cell(model_a, model_b), methods, Cell(relation, "", theme.SOFT)


def _model_cell(*models: str) -> Cell:
    """Names can be longer than there is room: the tooltip says them whole, and the colours are those of the grid."""
    names = models if len(models) == 1 else map(_short, models)
    return Cell(" – ".join(names), "\n".join(models), models=models)


def _short(name: str) -> str:
    """Beginning and end: two trainings of one network differ in the number behind their name."""
    half = (_LETTERS - 1) // 2
    return name if len(name) <= _LETTERS else f"{name[:half].rstrip()}…{name[-half:].lstrip()}"


def _title(statistic: str, region: str) -> str:
    title = _TITLES.get(statistic, statistic.replace("_", " ").capitalize())
    return f"{title}: {region}" if region else title


def agreement_cell(number: AgreementRow | None) -> Cell:
    """A value with its chance level in brackets, green above it; an em dash with the reason where it is undefined."""
    if number is None:
        return Cell("—", "", theme.MUTED)
    if number.value is None:
        return Cell("—", number.note, theme.MUTED)
    share = number.statistic.startswith("mass_fraction")
    exact = f"{number.statistic} = {number.value:.6g} {number.unit}".strip()
    parts = [_TIPS.get(number.statistic, ""), exact]
    colour, text = theme.TEXT, _written(number.value, number.unit, share)
    if number.chance is not None:
        above = number.value > number.chance
        colour = theme.VERIFIED if above else theme.APPROXIMATE
        text = f"{text} ({number.chance:.2f})"
        parts.append(f"Against: {number.chance:.4g}, which 95 % of unrelated maps stay below.")
        parts.append("More than chance." if above else "Not more than chance.")
    return Cell(text, "\n".join(part for part in (*parts, number.note) if part), colour)


def _written(value: float, unit: str, share: bool) -> str:
    if share:
        return f"{100 * value:.0f} %"
    return f"{value:.1f} {unit}" if unit else f"{value:.2f}".replace("-", "−")


def region_sheet(comparison: Comparison) -> Sheet:
    """A line for each map, a column for each drawn region."""
    found = {
        (one.name, method): dict(region_shares(comparison, one.name, method))
        for one in comparison.contenders
        for method in comparison.methods
        if one.result is not None
    }
    names = tuple(dict.fromkeys(name for shares in found.values() for name in shares))
    if not names:
        return Sheet((), ())
    lines = [
        (_model_cell(model), Cell(method_label(method)), *(_share(shares.get(name)) for name in names))
        for (model, method), shares in found.items()
    ]
    return Sheet(("Model", "Method", *names), tuple(lines))


def _share(value: float | None) -> Cell:
    return Cell("—", "", theme.MUTED) if value is None else Cell(f"{100 * value:.0f} %", f"mass_fraction = {value:.6g}")


class AgreementTable(QFrame):
    """Three sheets of numbers, one shown at a time."""

    def __init__(self, comparing: ComparingState) -> None:
        super().__init__()
        self._comparing = comparing
        frame, inside, title = card("Agreement")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.tabs = [_tab(name) for name in _TABS]
        self.tabs[0].setChecked(True)
        group = QButtonGroup(self)
        for tab in self.tabs:
            group.addButton(tab)
        group.buttonToggled.connect(lambda _tab, on: self.refresh() if on else None)
        inside.removeWidget(title)
        inside.insertLayout(0, row(title, None, *self.tabs, spacing=2))
        self.table = QTableWidget(0, 0)
        self._prepare()
        self.foot = label("", "muted", wraps=True)
        self.table.setMinimumHeight(_LOWEST)
        inside.addWidget(self.table, 1)
        inside.addWidget(self.foot)
        comparing.agreement_changed.connect(self.refresh)
        self.refresh()

    def _prepare(self) -> None:
        table = self.table
        table.setObjectName("agreement")
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.horizontalHeader().setMaximumSectionSize(_WIDEST)
        table.verticalHeader().setDefaultSectionSize(24)
        table.setIconSize(QSize(2 * _DOT + _GAP, _DOT))
        table.setTextElideMode(Qt.TextElideMode.ElideRight)
        table.setAccessibleName("How far the maps agree")

    @property
    def chosen(self) -> int:
        """Position of the sheet that is shown."""
        return next(k for k, tab in enumerate(self.tabs) if tab.isChecked())

    def refresh(self) -> None:
        """Read the state."""
        comparison = self._comparing.comparison
        sheet = Sheet((), ()) if comparison is None else self._sheet(comparison)
        self.foot.setText(_FEET[self.chosen] if sheet.lines else self._why_empty(comparison))
        self.table.setVisible(bool(sheet.lines))
        self.table.setColumnCount(len(sheet.titles))
        self.table.setHorizontalHeaderLabels(list(sheet.titles))
        self.table.setRowCount(len(sheet.lines))
        for down, line in enumerate(sheet.lines):
            self._write(down, line)

    def _sheet(self, comparison: Comparison) -> Sheet:
        return region_sheet(comparison) if self.chosen == 2 else agreement_sheet(comparison, self.chosen == 0)

    def _why_empty(self, comparison: Comparison | None) -> str:
        if comparison is None:
            return _EMPTY
        reasons = ("There is one model only: add a second.", "There is one method only: tick a second.")
        return (*reasons, "There is no region: draw or import one.")[self.chosen]

    def _write(self, down: int, line: Sequence[Cell]) -> None:
        colours = {entry.name: entry.colour for entry in self._comparing.entries}
        for across, cell in enumerate(line):
            item = QTableWidgetItem(cell.text)
            item.setToolTip(cell.tip)
            item.setForeground(QColor(cell.colour))
            if cell.models:
                item.setIcon(_dots([colours[name] for name in cell.models if name in colours]))
            self.table.setItem(down, across, item)


def _dots(colours: Sequence[str]) -> QIcon:
    """Dots side by side, as they stand at the heads of the models' rows."""
    ratio = 3  # sharp on every screen
    picture = QPixmap((2 * _DOT + _GAP) * ratio, _DOT * ratio)
    picture.fill(Qt.GlobalColor.transparent)
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, colour in enumerate(colours[:2]):
            painter.setBrush(QColor(colour))
            painter.drawEllipse(k * (_DOT + _GAP) * ratio, 0, _DOT * ratio, _DOT * ratio)
    return QIcon(picture)


def _tab(text: str) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setCheckable(True)
    made.setObjectName("smallTab")
    return made
