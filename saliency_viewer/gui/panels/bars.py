"""The bars round the viewports: tools on top, sliders below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QMenu, QPushButton, QSlider, QToolButton, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.panels.menus import opening_menu
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.panels.parts import label, row
from saliency_viewer.gui.panels.view_menus import presets_menu, refresh_view_actions, view_menu
from saliency_viewer.gui.state import DocumentState

_STEPS = 1000
_PILL_WIDTH = 140
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
        self._name = label("Saliency Viewer", "appName")
        line = row(self._name, theme.S, spacing=theme.XS)
        line.setContentsMargins(theme.L, 0, theme.L, 0)
        line.addWidget(self._open_button(intents, recent))
        for name in ("save", "export", "batch", "compare"):
            line.addWidget(_tool(actions[name]))
        line.addSpacing(theme.S)
        line.addWidget(_group([actions[name] for name in ("pan", "window", "probe")]))
        presets = presets_menu(self, state, intents)
        line.addWidget(_menu_button("Presets ▾", "Windows of the file, and the usual ones", presets))
        line.addWidget(_menu_button("View ▾", "What is drawn, and how the pictures stand", view_menu(self, actions)))
        line.addSpacing(theme.S)
        line.addWidget(_group([actions[name] for name in ("polygon", "brush", "erase")]))
        line.addSpacing(theme.S)
        line.addWidget(_tool(actions["undo"], "Undo"))
        line.addWidget(_tool(actions["redo"], "Redo"))
        line.addStretch(1)
        line.addWidget(self._layout_button)
        line.addWidget(self._pill)
        self.setLayout(line)
        for fact in (state.view_changed, state.regions_changed, state.volume_changed, state.result_changed):
            fact.connect(self.refresh)
        for fact in (state.compute_changed, state.loading_changed):
            fact.connect(self._show_compute)
        self.refresh()
        self._show_compute()

    @property
    def _spare(self) -> tuple[QWidget, ...]:
        """What gives way where the window is narrow: the title bar and the View menu have it too."""
        return self._name, self._layout_button

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for everything that cannot give way."""
        whole = super().minimumSizeHint()
        spare = sum(widget.sizeHint().width() + theme.XS for widget in self._spare if not widget.isHidden())
        return QSize(whole.width() - spare, whole.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Show what there is room for."""
        super().resizeEvent(event)
        room = event.size().width() - self.minimumSizeHint().width()
        for widget in self._spare:
            room -= widget.sizeHint().width() + theme.XS
            widget.setVisible(room >= 0)

    def _open_button(self, intents: Intents, recent: RecentFiles) -> QToolButton:
        made = _menu_button("Open ▾", "Open a study, an image or a session", None)
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
        refresh_view_actions(self._actions, self._state)
        self._layout_button.setText("Layout 1 × 1" if view.single else "Layout 2 × 2")

    def _show_compute(self) -> None:
        compute, loading = self._state.compute, self._state.loading
        refresh_view_actions(self._actions, self._state)  # one that asked for reading shows the truth again
        words = loading.text or "CPU · ready"
        if compute.job is not None:
            left = "stopping" if compute.stopping else time_left(compute.seconds_left)
            words = " · ".join(word for word in ("CPU", "1 job", left) if word)
        # Long words about what is read must not widen the window.
        short = self._pill.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, _PILL_WIDTH)
        self._pill.setText(short)
        self._pill.setToolTip(compute.text or loading.text or "Maps are computed in a process of their own")


class BottomBar(QFrame):
    """Fade from image to map, threshold, slice.

    ``has_map`` says whether there is anything to fade; by default the case's own maps are asked.
    """

    def __init__(self, state: DocumentState, intents: Intents, has_map: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self._has_map = has_map or (lambda: state.amap is not None)
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
        self.play = QPushButton("Play")
        self.play.setToolTip("Run through the slices of the active plane")
        self.play.clicked.connect(lambda: intents.toggle_cine.emit())
        line.addWidget(self.play)
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
        for slider in (self.fade, self.threshold):
            slider.setEnabled(self._has_map())
        self._threshold_words.setText(f"{view.threshold:.0%}".replace("%", " %"))
        count = volume.geometry.shape[view.axis] if volume is not None else 1
        _set(self.slice, view.index[view.axis], max(count - 1, 0))
        self.slice.setVisible(count > 1)
        frames = volume is not None and not volume.is_stack
        name = "Frame" if frames else _PLANES[view.axis]
        self.play.setVisible(count > 1)
        self.play.setText("Pause" if view.playing else "Play")
        words = f"{name} {view.index[view.axis] + 1} / {count}"
        self._slice_words.setText(words if count > 1 else "")


def _menu_button(text: str, tip: str, menu: QMenu | None) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setAccessibleName(text.removesuffix(" ▾"))
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    if menu is not None:
        made.setMenu(menu)
    return made


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
