"""Menus that open something: the ways to choose it, then what was opened lately."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath

from PySide6.QtWidgets import QMenu, QWidget

from saliency_viewer.gui.intents import Intents

_PARTS = 2  # of a path; whole ones would make the menu wider than the window
Way = tuple[str, Callable[[], None]]


def opening_menu(
    parent: QWidget,
    intents: Intents,
    ways: Sequence[Way],
    recent: Callable[[], Sequence[str]],
    take: Callable[[str], None],
) -> QMenu:
    """A menu of ``ways``, then of the paths that ``recent()`` gives when it opens; ``take`` gets the chosen path."""
    menu = QMenu(parent)
    menu.setToolTipsVisible(True)

    def fill() -> None:
        menu.clear()
        for words, call in ways:
            menu.addAction(words, call)
        paths = recent()
        if not paths:
            return
        heading(menu, "Recent")
        for path in paths:
            menu.addAction(short(path).replace("&", "&&"), partial(take, path)).setToolTip(path)
        menu.addSeparator()
        menu.addAction("Forget what was opened", lambda: intents.forget_recent.emit())

    menu.aboutToShow.connect(fill)
    return menu


def heading(menu: QMenu, text: str) -> None:
    """A title between entries; a style sheet hides the words of Qt's own sections."""
    if not menu.isEmpty():
        menu.addSeparator()
    menu.addAction(text).setEnabled(False)


def short(path: str) -> str:
    """The last parts of a path."""
    parts = PurePath(path).parts
    return str(PurePath(*parts[-_PARTS:])) if len(parts) > _PARTS else path
