"""The grid of the comparison: models down, methods across, one cursor, slice and zoom in all of it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QGridLayout, QLayout, QScrollArea, QWidget

from saliency_viewer.domain import AttributionMap, Comparison
from saliency_viewer.gui import theme
from saliency_viewer.gui.comparing.cell import CompareCell, Traced
from saliency_viewer.gui.comparing.head import ModelHead, row_note
from saliency_viewer.gui.comparing.shown import (
    Styles,
    Words,
    contours,
    disagreement,
    map_words,
    rank_style,
    styles,
)
from saliency_viewer.gui.comparing.state import ComparingState, Entry
from saliency_viewer.gui.comparing.titles import ColumnTitles
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import method_label
from saliency_viewer.gui.state import DocumentState

_SMALLEST = (128, 150)  # width and height of a cell
_IMAGE, _RANKS = "image", "disagreement"  # rows that are no model's
_ROWS = {_IMAGE: "Image", _RANKS: "Disagreement"}
_NO_IMAGE = "Open a study: its image stands here."
_NO_METHOD = ""  # the column before anything was run
Key = tuple[object, str]  # an Entry, or the name of another row; a method


class CompareGrid(QScrollArea):
    """Row heads at the left, viewports right of them; a row for the image on top and one for disagreement below."""

    def __init__(self, document: DocumentState, comparing: ComparingState, intents: Intents) -> None:
        super().__init__()
        self._document, self._comparing, self._intents = document, comparing, intents
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its cells take the keyboard, and are scrolled to
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, theme.XS, 0)
        self._grid.setSpacing(theme.S - 2)
        self.setWidget(inside)
        self.titles = ColumnTitles(self)
        self.cells: dict[Key, CompareCell] = {}
        self.heads: dict[Entry, ModelHead] = {}
        self.stands_after: QWidget = self  # what Tab comes from
        self._others: list[QWidget] = []
        self._arranged: object = None
        self._traced = Traced()
        self._drawing = False
        self._ranks: tuple[Comparison | None, dict[str, AttributionMap | None]] = (None, {})
        self._cursor: tuple[int, int, int] | None = None
        for fact in (comparing.entries_changed, comparing.agreement_changed, comparing.look_changed):
            fact.connect(self.refresh)
        for fact in (comparing.shown_changed, document.volume_changed, document.map_changed):
            fact.connect(self.refresh)
        comparing.compute_changed.connect(self._refresh_heads)
        document.view_changed.connect(self._follow)
        document.regions_changed.connect(self._draw_regions)
        document.probe_changed.connect(self._point)
        intents.fit.connect(self._fit)

    # What there is

    @property
    def rows(self) -> list[object]:
        """Entries from top to bottom, between the rows that are no model's."""
        look, asked = self._comparing.look, bool(self._comparing.methods)
        first: list[object] = [_IMAGE] if look.image and asked else []
        last: list[object] = [_RANKS] if look.disagreement and self._comparing.comparison is not None else []
        return [*first, *self._comparing.entries, *last]

    @property
    def columns(self) -> tuple[str, ...]:
        """Method ids from left to right."""
        return self._comparing.methods or (_NO_METHOD,)

    def refresh(self) -> None:
        """Read the state; a page that nobody sees waits until it is seen."""
        if not self._comparing.shown:
            return
        wanted = (tuple(self.rows), self.columns)
        if wanted != self._arranged:
            self._arrange()
            self._arranged = wanted
        self._place_images()
        self._refresh_heads()
        self._draw_maps()
        self._draw_regions()
        self._follow()

    def _place_images(self) -> None:
        """The image in every cell but those that say why there is no map."""
        look = next((cell.look for cell in self.cells.values() if cell.frame is not None), (1.0, None))
        for (line, method), cell in self.cells.items():
            why = line.why_no_map(method) if isinstance(line, Entry) else ""
            failed = isinstance(line, Entry) and bool(line.failure)  # its head says why
            cell.empty_text = "No map" if failed else why or _NO_IMAGE
            with QSignalBlocker(cell):
                cell.set_volume(self._document.volume if not why else None, self._document.view.axis)
                cell.set_look(look)

    def _refresh_heads(self) -> None:
        for head in self.heads.values():
            head.refresh(self._comparing.compute.job is not None)
        tallest = max((head.sizeHint().height() for head in self.heads.values()), default=0)
        for down in range(1, self._grid.rowCount()):  # all pictures as large: the eye goes from one to the next
            self._grid.setRowMinimumHeight(down, tallest if down <= len(self.rows) else 0)

    # Arranging

    def _arrange(self) -> None:
        """Keep the viewports that stay, make the new ones, and put all in their places."""
        _empty(self._grid)
        for widget in self._others:
            _bury(widget)
        self._others = []
        keys = {(line, method) for line in self.rows for method in self.columns}
        for gone in [key for key in self.cells if key not in keys]:
            _bury(self.cells.pop(gone))
        for entry in [one for one in self.heads if one not in self._comparing.entries]:
            _bury(self.heads.pop(entry))
        for down, line in enumerate(self.rows, 1):
            self._put_head(line, down)
            for across, method in enumerate(self.columns, 1):
                cell = self.cells.get((line, method)) or self._make_cell((line, method))
                self._grid.addWidget(cell, down, across)
                cell.show()
        self._stretch()
        self._order()
        top = [self.cells[self.rows[0], method] for method in self.columns] if self.rows else []
        titles = [method_label(method) if method else "Image" for method in self.columns]
        self.titles.show_titles(titles[: len(top)], top)

    def _order(self) -> None:
        """Tab goes through the rows as they are read, whenever their parts were made."""
        before = self.stands_after
        for line in self.rows:
            stops = [self.heads[line].remove] if isinstance(line, Entry) else []
            for one in (*stops, *(self.cells[line, method] for method in self.columns)):
                QWidget.setTabOrder(before, one)
                before = one

    def _stretch(self) -> None:
        for down in range(self._grid.rowCount()):
            self._grid.setRowStretch(down, 1 if 0 < down <= len(self.rows) else 0)
        for across in range(self._grid.columnCount()):
            self._grid.setColumnStretch(across, 1 if 0 < across <= len(self.columns) else 0)

    def _put_head(self, line: object, down: int) -> None:
        if isinstance(line, Entry):
            head = self.heads.get(line) or ModelHead(line, self._intents)
            self.heads[line] = head
            self._grid.addWidget(head, down, 0)
            head.show()
        elif line == _IMAGE:
            self._put_other(
                row_note(_ROWS[_IMAGE], "Where each model's evidence peaks, in that model's colour."), down, 0
            )
        else:
            words = "How far apart the models rank each place: 0 the same, 1 first and last."
            self._put_other(row_note(_ROWS[_RANKS], words), down, 0)

    def _put_other(self, widget: QWidget, down: int, across: int) -> None:
        self._others.append(widget)
        self._grid.addWidget(widget, down, across)

    def _make_cell(self, key: Key) -> CompareCell:
        cell, intents = CompareCell(traced=self._traced), self._intents
        cell.setMinimumSize(*_SMALLEST)
        cell.slice_requested.connect(intents.set_slice)
        cell.window_requested.connect(intents.set_window)
        cell.crosshair_requested.connect(intents.set_crosshair)
        cell.probed.connect(intents.probe)
        cell.stroke_finished.connect(intents.stroke)
        cell.brush_radius_requested.connect(intents.set_radius)
        cell.gesture_changed.connect(self._tell_drawing)
        cell.activated.connect(lambda: self._activate(cell))
        cell.looked.connect(lambda: self._look_with(cell))
        self.cells[key] = cell
        return cell

    # Drawing

    def _draw_maps(self) -> None:
        found = styles(self._document, self._comparing)
        shown = self._document.view.map_shown
        for (line, method), cell in self.cells.items():
            if isinstance(line, Entry):
                self._draw_model(cell, line, method, found if shown else {})
            elif line == _IMAGE:
                cell.set_map(None, None)
                cell.set_contours(contours(self._comparing, method, self._comparing.entries))
                cell.set_title("")
            else:
                self._draw_ranks(cell, method, shown)
            row = line.name if isinstance(line, Entry) else _ROWS[str(line)]
            cell.setAccessibleName(" · ".join(word for word in (row, method and method_label(method)) if word))

    def _draw_model(self, cell: CompareCell, entry: Entry, method: str, found: Styles) -> None:
        amap = entry.map_of(method)
        style = found.get((entry.name, method))
        cell.set_map(amap if style is not None else None, style)
        cell.set_contours(contours(self._comparing, method, [entry]))
        words = map_words(entry, amap, self._comparing.comparison) if amap is not None else Words("")
        cell.set_title(words.title, words.subtitle, words.badge, words.kind)

    def _draw_ranks(self, cell: CompareCell, method: str, shown: bool) -> None:
        ranks = self._ranks_of(method)
        cell.set_map(ranks if shown else None, rank_style(self._document))
        cell.set_title("Range of ranks" if ranks is not None else "Needs maps of two models")

    def _ranks_of(self, method: str) -> AttributionMap | None:
        """The same object as long as the comparison is the same, so that no picture is computed twice."""
        comparison, volume = self._comparing.comparison, self._document.volume
        if self._ranks[0] is not comparison:
            self._ranks = comparison, {}
        if volume is not None and method not in self._ranks[1]:
            self._ranks[1][method] = disagreement(comparison, method, volume.geometry)
        return self._ranks[1].get(method)

    def _draw_regions(self) -> None:
        if not self._comparing.shown:
            return
        for cell in self.cells.values():
            cell.set_regions(self._document.regions, self._document.view.region)

    def _follow(self) -> None:
        """Slice, window, tool and cursor as the document has them."""
        view, volume = self._document.view, self._document.volume
        if volume is None or not self._comparing.shown:
            return
        for cell in self.cells.values():
            with QSignalBlocker(cell):
                if cell.frame is not None:
                    cell.set_volume(volume, view.axis)
                cell.set_slice(view.index[view.axis])
                cell.set_window(view.window or volume.default_window())
                cell.set_graphics(view.graphics)
                cell.set_tool(view.tool)
                cell.set_brush_radius(view.radius)
        self._point(self._cursor)
        self._tell_drawing()

    # One cursor, one zoom

    def _point(self, voxel: tuple[int, int, int] | None) -> None:
        """The same place in every cell: under the mouse, else where the planes of a volume meet."""
        self._cursor = voxel
        volume = self._document.volume
        if volume is None or not self._comparing.shown:
            return
        rest = self._document.view.index if volume.is_stack else None
        for cell in self.cells.values():
            cell.set_crosshair(voxel or rest)

    def _look_with(self, leader: CompareCell) -> None:
        for cell in self.cells.values():
            if cell is not leader:
                with QSignalBlocker(cell):
                    cell.set_look(leader.look)

    def _fit(self) -> None:
        first = next(iter(self.cells.values()), None)
        if first is not None:
            first.fit()

    def _activate(self, chosen: CompareCell) -> None:
        for cell in self.cells.values():
            cell.set_active(cell is chosen)

    def _tell_drawing(self) -> None:
        drawing = any(cell.drawing for cell in self.cells.values())
        if drawing != self._drawing:
            self._drawing = drawing
            self._intents.drawing.emit(drawing)


def _empty(layout: QLayout) -> None:
    """Take everything out of a layout and leave it alive."""
    while layout.takeAt(0) is not None:
        pass


def _bury(widget: QWidget) -> None:
    widget.hide()
    widget.deleteLater()
