"""What can be chosen about the picture: windows by name, and what is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from saliency_viewer.domain import Volume, Window
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.menus import heading
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewer.annotations import short_number

_VIEW_ACTIONS = ("hide-map", "graphics", "", "grid", "cine", "", "fit", "layout", "reset-window", "", "cheat-sheet")


def presets_menu(parent: QWidget, state: DocumentState, intents: Intents) -> QMenu:
    """The windows that the shown image's file offers, then the usual ones; the one in use is ticked."""
    menu = QMenu(parent)

    def fill() -> None:
        from saliency_viewer.render import file_presets, usual_presets

        menu.clear()
        volume = state.volume
        if volume is None or volume.colour is not None:
            why = "Open an image first" if volume is None else "A colour image has no window"
            menu.addAction(why).setEnabled(False)
            return
        offered = file_presets(volume)
        shown = state.view.window or volume.default_window()
        if offered:
            heading(menu, "From the file")
            _offer(menu, offered, shown, intents)
        heading(menu, "Presets")
        _offer(menu, usual_presets(volume), shown, intents)

    menu.aboutToShow.connect(fill)
    return menu


def _offer(menu: QMenu, presets: Sequence[tuple[str, Window]], shown: Window, intents: Intents) -> None:
    for name, window in presets:
        numbers = f"W {short_number(window.width)}  L {short_number(window.centre)}"
        action = menu.addAction(f"{name}\t{numbers}".replace("&", "&&"), partial(intents.set_window.emit, window))
        action.setCheckable(True)
        action.setChecked(window == shown and window.table == shown.table)


def view_menu(parent: QWidget, actions: Mapping[str, QAction]) -> QMenu:
    """What is drawn, which slices, and how the pictures stand."""
    menu = QMenu(parent)
    for name in _VIEW_ACTIONS:
        if name:
            menu.addAction(actions[name])
        else:
            menu.addSeparator()
    return menu


def refresh_view_actions(actions: Mapping[str, QAction], state: DocumentState) -> None:
    """Tick and enable what the shown image makes possible."""
    view, case, volume = state.view, state.case, state.volume
    _set(actions["graphics"], _has_graphics(volume), view.graphics)
    _set(actions["grid"], case is not None and len(case.grids) > 1, case is not None and case.grid == "regular")
    _set(actions["cine"], volume is not None and volume.geometry.shape[view.axis] > 1, view.playing)
    actions["hide-map"].setEnabled(bool(state.maps))


def _has_graphics(volume: Volume | None) -> bool:
    return volume is not None and volume.overlays is not None


def _set(action: QAction, enabled: bool, checked: bool) -> None:
    action.setEnabled(enabled)
    action.setChecked(enabled and checked)
