"""Left: the cases, and the maps of the shown case with their badges."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from saliency_viewer.domain import Unreadable
from saliency_viewer.gui import theme
from saliency_viewer.gui.facts import GRID_NAMES, Case
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import ElidedLabel, badge, badge_words, clear, label, method_label, row, section
from saliency_viewer.gui.panels.status import unreadable_words
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewer.picture import to_image

_HINT = "Draw a region and its numbers follow. Space hides the map, the wheel scrolls, F1 lists every key."
_EMPTY = "No study yet. Drop one on the window, or choose Open."
_NO_MAPS = "No map yet. Choose a model and press Explain."


class ClickRow(QFrame):
    """A row that can be clicked or chosen with the keyboard."""

    def __init__(self, chosen: bool, click: object) -> None:
        super().__init__()
        self._click = click
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        back, line = (theme.ACCENT_DARK + "88", "#35506E") if chosen else ("transparent", "transparent")
        self.setStyleSheet(
            f"ClickRow {{ background: {back}; border: 1px solid {line}; border-radius: {theme.RADIUS}px; }}"
            f"ClickRow:hover, ClickRow:focus {{ border-color: {theme.ACCENT}; }}"
        )

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """A click chooses."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self._choose()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Return and space choose."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._choose()
        else:
            super().keyPressEvent(event)

    def _choose(self) -> None:
        if callable(self._click):
            self._click()


class StudiesPanel(QScrollArea):
    """Cases and series with thumbnails, maps with badges."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self.setObjectName("leftPanel")
        self.setWidgetResizable(True)
        self.setFixedWidth(240)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._state, self._intents = state, intents
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(theme.M, theme.L, theme.M, theme.M)
        column.setSpacing(theme.S)
        self._cases, self._maps = QVBoxLayout(), QVBoxLayout()
        self._cases.setSpacing(theme.XS)
        self._maps.setSpacing(2)
        column.addWidget(section("Studies"))
        column.addLayout(self._cases)
        column.addSpacing(theme.M)
        column.addWidget(section("Maps of this case"))
        column.addLayout(self._maps)
        column.addSpacing(theme.M)
        column.addWidget(section("Hint"))
        column.addWidget(label(_HINT, "muted", wraps=True))
        column.addStretch(1)
        self.setWidget(inside)
        # Several facts come at once with every image; a long list is drawn once for all of them.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._draw_cases)
        for fact in (state.cases_changed, state.regions_changed):
            fact.connect(lambda: self._soon.start(0))
        state.result_changed.connect(self._draw_maps)
        state.map_changed.connect(self._draw_maps)
        self._draw_cases()
        self._draw_maps()

    def _draw_cases(self) -> None:
        clear(self._cases)
        if not self._state.cases:
            self._cases.addWidget(label(_EMPTY, "muted", wraps=True))
        refused = {after: (position, files) for position, (after, files) in enumerate(self._state.unreadable)}
        place = ("", "")
        for position, case in enumerate(self._state.cases):
            group = case.series.group if case.series is not None else ""
            if (case.reference.path, group) != place:
                place = (case.reference.path, group)
                if group:
                    self._cases.addWidget(ElidedLabel(f"{group[:1].upper()}{group[1:]}", "groupTitle"))
            self._cases.addWidget(self._case_row(position, case))
            if position + 1 in refused:
                self._cases.addWidget(self._refused_row(*refused[position + 1]))

    def _refused_row(self, position: int, files: tuple[Unreadable, ...]) -> QWidget:
        made = ClickRow(False, lambda: self._intents.unreadable_dialog.emit(position))
        words = unreadable_words(len(files))
        made.setAccessibleName(words)
        made.setToolTip("Show which, and why")
        line_up = row(ElidedLabel(f"{words}…", "warning"))
        line_up.setContentsMargins(theme.S, theme.XS, theme.S, theme.XS)
        made.setLayout(line_up)
        return made

    def _case_row(self, position: int, case: Case) -> QWidget:
        chosen = position == self._state.current
        made = ClickRow(chosen, lambda: self._intents.show_case.emit(position))
        made.setAccessibleName(case.title)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(ElidedLabel(_heading(case)))
        for line in _about(case):
            words.addWidget(ElidedLabel(line, "muted"))
        line_up = row(_picture(case), spacing=theme.S + 2)
        line_up.addLayout(words, 1)
        line_up.setContentsMargins(theme.S, theme.S, theme.S, theme.S)
        made.setLayout(line_up)
        made.setToolTip("\n".join(word for word in (case.title, _heading(case), *case.warnings) if word))
        return made

    def _draw_maps(self) -> None:
        clear(self._maps)
        result = self._state.result
        if result is None or not (result.maps or result.failures):
            self._maps.addWidget(label(_NO_MAPS, "muted", wraps=True))
            return
        shown = self._state.amap
        for amap in result.maps:
            tip = amap.validity.text or "The method was applied to this network as it is defined."
            words = badge_words(amap).removeprefix("residual ")  # the name needs the room
            mark = badge(words, amap.validity.badge, tip)
            self._maps.addWidget(self._map_row(amap.method, amap is shown, mark))
        for failure in result.failures:
            mark = badge("not defined", "not defined", f"{failure.message} {failure.hint}".strip())
            self._maps.addWidget(self._map_row(failure.method, False, mark))

    def _map_row(self, method: str, chosen: bool, mark: QLabel) -> QWidget:
        made = ClickRow(chosen, lambda: self._intents.choose_map.emit(method))
        name = method_label(method)
        made.setAccessibleName(name)
        line_up = row(ElidedLabel(name), None, mark)
        line_up.setContentsMargins(theme.S, 3, theme.XS, 3)
        made.setLayout(line_up)
        return made


def _heading(case: Case) -> str:
    """What the series is called, before and after it is read; outputs carry the case's own name, which stands below."""
    described = case.series.description if case.series is not None else ""
    return described or case.name


def _about(case: Case) -> tuple[str, str]:
    series = case.series
    kind = " · ".join(word for word in (series.modality, series.view) if word) if series is not None else ""
    count = series.slices if series is not None else 1
    many = "slices" if case.volume is None or case.volume.is_stack else "frames"
    other_grid = "" if case.grid == case.grids[0] else GRID_NAMES[case.grid].lower()
    number = case.name.removeprefix("Case ") if case.image_hash and case.name != _heading(case) else ""
    about = other_grid or number or kind or "image"
    first = f"{about} · {count} {'image' if count == 1 else many}"
    if case.volume is None:
        return first, "not opened yet"
    maps = len(case.result.maps) if case.result is not None else 0
    regions = len(case.regions) if case.regions is not None else 0
    return first, f"{_count(regions, 'region')} · {_count(maps, 'map')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _picture(case: Case) -> QLabel:
    made = QLabel()
    made.setFixedSize(52, 52)
    made.setStyleSheet("background: black; border-radius: 4px;")
    if case.thumbnail is not None:
        whole = QPixmap.fromImage(to_image(case.thumbnail))
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        made.setPixmap(whole.scaled(52, 52, keep, smooth))
    return made
