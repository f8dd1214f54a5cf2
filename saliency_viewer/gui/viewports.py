"""The middle: which picture stands in which viewport, all linked by the state."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtWidgets import QGridLayout, QWidget

from saliency_viewer.domain import AttributionMap, Volume
from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import badge_words, method_label, target_words
from saliency_viewer.gui.panels.summary import SummaryCell
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewer import SliceView
from saliency_viewer.render import style_for

_PLANES = ("Axial", "Coronal", "Sagittal")
_CELLS = 4


@dataclass(frozen=True, eq=False)
class Cell:
    """What one viewport shows: a plane of the image, with or without a map."""

    axis: int
    amap: AttributionMap | None
    title: str


def plane_name(volume: Volume, axis: int) -> str:
    """Axial, coronal or sagittal, after the patient axis that the slices are most perpendicular to."""
    direction = volume.geometry.direction[:, axis]
    patient = max(range(3), key=lambda k: abs(direction[k]))
    return _PLANES[2 - patient]


def cells_for(state: DocumentState) -> list[Cell]:
    """Three planes of a volume with the chosen map; the image and its maps of a radiograph or a cine."""
    volume = state.volume
    if volume is None:
        return []
    if volume.is_stack:
        return [Cell(axis, state.amap, plane_name(volume, axis)) for axis in range(3)]
    chosen = state.amap
    others = [one for one in state.maps if one is not chosen]
    shown = [one for one in state.maps if one is chosen or one in others[: _CELLS - 2]]
    return [Cell(0, None, "Image"), *(Cell(0, one, method_label(one.method)) for one in shown)]


class ViewGrid(QWidget):
    """Up to four viewports; where a cell is free it says how the map came about."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self._state, self._intents = state, intents
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.S - 2)
        self.views = [self._make_view() for _ in range(_CELLS)]
        self._summary = SummaryCell(state)
        self._cells: list[Cell] = []
        self._active = 0
        self._drawing = False
        self._arranged: object = None
        state.volume_changed.connect(self.rebuild)
        # Panels first, pictures in the next turn of the event loop: together they would take longer than two frames.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.rebuild)
        state.result_changed.connect(self._rebuild_soon)
        state.map_changed.connect(self._draw_maps)
        state.regions_changed.connect(self._draw_regions)
        state.view_changed.connect(self._follow)
        intents.fit.connect(self.fit)

    def _make_view(self) -> SliceView:
        view, intents = SliceView(self), self._intents
        view.hide()
        view.slice_requested.connect(intents.set_slice)
        view.window_requested.connect(intents.set_window)
        view.crosshair_requested.connect(intents.set_crosshair)
        view.probed.connect(intents.probe)
        view.stroke_finished.connect(intents.stroke)
        view.gesture_changed.connect(self._tell_drawing)
        view.brush_radius_requested.connect(intents.set_radius)
        view.activated.connect(lambda: self._activate(view))
        return view

    def _activate(self, view: SliceView) -> None:
        self._active = self.views.index(view)
        for one in self.views:
            one.set_active(one is view)
        cell = self._cells[self._active] if self._active < len(self._cells) else None
        if cell is not None:
            self._intents.set_axis.emit(cell.axis)

    def fit(self) -> None:
        """Show whole pictures again."""
        for view in self.views:
            view.fit()

    def _rebuild_soon(self) -> None:
        wanted = [(cell.axis, cell.amap) for cell in cells_for(self._state)]
        if wanted != [(cell.axis, cell.amap) for cell in self._cells]:
            self._soon.start(0)
        else:
            self._draw_maps()  # another answer of the model stands in the titles

    def rebuild(self) -> None:
        """Another image, or other maps."""
        self._soon.stop()
        self._cells = cells_for(self._state)
        for view, cell in zip(self.views, self._cells, strict=False):
            with QSignalBlocker(view):
                view.set_map(None, None)
                view.set_regions(None)
                view.set_volume(self._state.volume, cell.axis)
        self._active = min(self._active, max(len(self._cells) - 1, 0))
        self._arranged = None
        self._follow()
        self._draw_maps()
        self._draw_regions()

    def _arrange(self) -> None:
        """Put the viewports where they belong; three leave a cell for the summary."""
        single = self._state.view.single and bool(self._cells)
        wanted = (len(self._cells), single, self._active if single else None)
        if wanted == self._arranged:
            return
        self._arranged = wanted
        count = len(self._cells)
        shown: list[QWidget] = [self.views[self._active]] if single else list(self.views[:count])
        if count == 3 and not single:
            shown.append(self._summary)
        for widget in (*self.views, self._summary):
            self._grid.removeWidget(widget)
            widget.setVisible(widget in shown)
        columns = 1 if len(shown) < 2 else 2
        for place, widget in enumerate(shown):
            self._grid.addWidget(widget, place // columns, place % columns)
        for k in range(2):
            self._grid.setRowStretch(k, 1 if k * columns < len(shown) else 0)
            self._grid.setColumnStretch(k, 1 if k < columns else 0)

    def _follow(self) -> None:
        """Slice, crosshair, window, tool and radius as the state has them."""
        view, volume = self._state.view, self._state.volume
        self._arrange()
        if volume is None:
            return
        for one, cell in zip(self.views, self._cells, strict=False):
            with QSignalBlocker(one):
                one.set_slice(view.index[cell.axis])
                one.set_window(view.window or volume.default_window())
                one.set_graphics(view.graphics)
                one.set_crosshair(view.index if volume.is_stack else None)
                one.set_tool(view.tool)
                one.set_brush_radius(view.radius)

        self._tell_drawing()  # another slice or tool drops what was begun

    def _tell_drawing(self) -> None:
        drawing = any(view.drawing for view in self.views)
        if drawing != self._drawing:
            self._drawing = drawing
            self._intents.drawing.emit(drawing)

    def _draw_maps(self) -> None:
        view = self._state.view
        self._cells = cells_for(self._state)
        for one, cell in zip(self.views, self._cells, strict=False):
            amap = cell.amap if view.map_shown else None
            style = style_for(amap, view.fade, view.threshold) if amap is not None else None
            one.set_map(amap, style)
            self._write_title(one, cell)

    def _write_title(self, view: SliceView, cell: Cell) -> None:
        amap, result = cell.amap, self._state.result
        if amap is None:
            said = f"model says: {result.prediction.label} {result.prediction.probability:.2f}" if result else ""
            view.set_title(cell.title, said, "", "")
            return
        title = cell.title if not self._cuts_planes else f"{cell.title} · {method_label(amap.method)}"
        kind: str = amap.validity.badge
        words = badge_words(amap)
        if not amap.target_is_predicted:
            kind, words = "failed", "not the predicted class"
        view.set_title(title, target_words(amap), words, kind)

    @property
    def _cuts_planes(self) -> bool:
        return self._state.volume is not None and self._state.volume.is_stack

    def _draw_regions(self) -> None:
        for one, _cell in zip(self.views, self._cells, strict=False):
            one.set_regions(self._state.regions, self._state.view.region)
