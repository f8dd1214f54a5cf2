"""The bars round the viewports: tools on top, sliders below, the status line at the bottom."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QSlider, QToolButton, QWidget

from saliency_viewer.domain import RESEARCH_NOTICE
from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.panels.menus import opening_menu
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.panels.parts import label, method_label, row
from saliency_viewer.gui.state import DocumentState

_STEPS = 1000
_PLANES = ("Slice", "Row", "Column")


class TopBar(QWidget):
    """The program's name, files, tools, undo and redo, layout and what the computer does."""

    def __init__(
        self, state: DocumentState, intents: Intents, recent: RecentFiles, actions: Mapping[str, QAction]
    ) -> None:
        super().__init__()
        self.setObjectName("topBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(48)
        self._state, self._actions = state, actions
        self._pill = label("", "pill")
        self._pill.setFixedHeight(26)
        self._layout_button = _tool(actions["layout"])
        self._layout_button.setObjectName("pill")
        line = row(label("Saliency Viewer", "appName"), theme.S, spacing=theme.XS)
        line.setContentsMargins(theme.L, 0, theme.L, 0)
        line.addWidget(self._open_button(intents, recent))
        for name in ("save", "export", "batch"):
            line.addWidget(_tool(actions[name]))
        line.addSpacing(theme.S)
        line.addWidget(_group([actions[name] for name in ("pan", "window", "probe")]))
        line.addSpacing(theme.S)
        line.addWidget(_group([actions[name] for name in ("polygon", "brush", "erase")]))
        line.addSpacing(theme.S)
        line.addWidget(_tool(actions["undo"], "Undo"))
        line.addWidget(_tool(actions["redo"], "Redo"))
        line.addStretch(1)
        line.addWidget(_tool(actions["cheat-sheet"]))
        line.addWidget(self._layout_button)
        line.addWidget(self._pill)
        self.setLayout(line)
        for fact in (state.view_changed, state.regions_changed, state.volume_changed):
            fact.connect(self.refresh)
        state.compute_changed.connect(self._show_compute)
        self.refresh()
        self._show_compute()

    def _open_button(self, intents: Intents, recent: RecentFiles) -> QToolButton:
        made = QToolButton()
        made.setText("Open ▾")
        made.setAccessibleName("Open")
        made.setToolTip("Open a study, an image or a session")
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        ways = [(self._actions[name].toolTip(), self._actions[name].trigger) for name in ("open-folder", "open")]
        take = intents.open_paths.emit
        made.setMenu(opening_menu(made, intents, ways, lambda: recent.list.studies, lambda path: take([path])))
        return made

    def refresh(self) -> None:
        """Read the state."""
        view, case = self._state.view, self._state.case
        self._actions[view.tool].setChecked(True)
        editor = case.editor if case is not None else None
        self._actions["undo"].setEnabled(editor is not None and editor.can_undo)
        self._actions["redo"].setEnabled(editor is not None and editor.can_redo)
        self._layout_button.setText("Layout 1 × 1" if view.single else "Layout 2 × 2")

    def _show_compute(self) -> None:
        compute = self._state.compute
        if compute.job is not None:
            words = "stopping" if compute.stopping else time_left(compute.seconds_left)
            self._pill.setText(" · ".join(word for word in ("CPU", "1 job", words) if word))
        else:
            self._pill.setText(self._state.loading or "CPU · ready")
        self._pill.setToolTip(compute.text or "Maps are computed in a process of their own")


class BottomBar(QFrame):
    """Fade from image to map, threshold, slice."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self.setObjectName("bottomBar")
        self.setFixedHeight(54)
        self._state, self._intents = state, intents
        self.fade = _slider("How much of the map is laid over the image")
        self.threshold = _slider("Hide values below this part of the map's largest")
        self.slice = _slider("The slice of the active plane")
        self._threshold_words, self._slice_words = label("0 %", "soft"), label("", "soft")
        self.fade.valueChanged.connect(lambda value: intents.set_fade.emit(value / _STEPS))
        self.threshold.valueChanged.connect(lambda value: intents.set_threshold.emit(value / _STEPS))
        self.slice.valueChanged.connect(lambda value: intents.set_slice.emit(state.view.axis, value))
        line = row(label("Image", "soft"))
        line.setContentsMargins(theme.L, 0, theme.L, 0)
        line.addWidget(self.fade, 4)
        line.addWidget(label("Map", "soft"))
        line.addSpacing(theme.L)
        line.addWidget(label("Threshold", "soft"))
        line.addWidget(self.threshold, 3)
        line.addWidget(self._threshold_words)
        line.addSpacing(theme.L)
        line.addWidget(self.slice, 3)
        line.addWidget(self._slice_words)
        self.setLayout(line)
        for fact in (state.view_changed, state.map_changed, state.volume_changed, state.result_changed):
            fact.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the state."""
        view, volume = self._state.view, self._state.volume
        _set(self.fade, round(view.fade * _STEPS), _STEPS)
        _set(self.threshold, round(view.threshold * _STEPS), _STEPS)
        has_map = self._state.amap is not None
        self.fade.setEnabled(has_map)
        self.threshold.setEnabled(has_map)
        self._threshold_words.setText(f"{view.threshold:.0%}".replace("%", " %"))
        count = volume.geometry.shape[view.axis] if volume is not None else 1
        _set(self.slice, view.index[view.axis], max(count - 1, 0))
        self.slice.setVisible(count > 1)
        words = f"{_PLANES[view.axis]} {view.index[view.axis] + 1} / {count}"
        self._slice_words.setText(words if count > 1 else "")


class StatusLine(QWidget):
    """Position, image value, raw saliency; and always the notice."""

    def __init__(self, state: DocumentState) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(28)
        self._state = state
        self._words = label("", "soft")
        line = row(self._words, None, label(RESEARCH_NOTICE, "notice"))
        line.setContentsMargins(theme.L, 0, theme.L, 0)
        self.setLayout(line)
        state.probe_changed.connect(self.show_probe)
        state.told.connect(self._words.setText)
        state.volume_changed.connect(lambda: self.show_probe(None))

    @property
    def text(self) -> str:
        """What is written at the left."""
        return self._words.text()

    def show_probe(self, index: tuple[int, int, int] | None) -> None:
        """Write what is at ``index``; nothing outside the image."""
        volume, amap = self._state.volume, self._state.amap
        if index is None or volume is None:
            self._words.setText("")
            return
        place = np.asarray(volume.geometry.to_patient(index), dtype=float).reshape(-1)
        where = " ".join(f"{name} {value:.1f}" for name, value in zip("xyz", place, strict=True))
        value = volume.array[index]
        number = f"{int(value)}" if np.issubdtype(volume.array.dtype, np.integer) else f"{float(value):.4g}"
        words = [f"{where} mm", f"value {number} {volume.units}".strip()]
        if amap is not None:
            raw = float(amap.array[index])
            words.append(f"{method_label(amap.method)} {raw:.3g}" if np.isfinite(raw) else "not seen by the model")
        self._words.setText("     ".join(words))


def _tool(action: QAction, name: str = "") -> QToolButton:
    made = QToolButton()
    made.setDefaultAction(action)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if name:
        made.setAccessibleName(name)
    return made


def _group(actions: list[QAction]) -> QFrame:
    frame = QFrame()
    frame.setObjectName("toolGroup")
    frame.setFixedHeight(36)
    line = row(*(_tool(action) for action in actions), spacing=2)
    line.setContentsMargins(3, 3, 3, 3)
    frame.setLayout(line)
    return frame


def _slider(tip: str) -> QSlider:
    made = QSlider(Qt.Orientation.Horizontal)
    made.setRange(0, _STEPS)
    made.setToolTip(tip)
    made.setAccessibleName(tip)
    made.setMinimumWidth(80)
    return made


def _set(slider: QSlider, value: int, maximum: int) -> None:
    slider.blockSignals(True)
    slider.setMaximum(maximum)
    slider.setValue(value)
    slider.blockSignals(False)
