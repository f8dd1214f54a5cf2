"""Telling and asking: what happened, what to do, and technical detail behind a fold."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import label, row

_LINE, _HIGHEST = 18, 320  # pixels, of the detail
Choice = tuple[str, Callable[[], None] | None]


class MessageDialog(QDialog):
    """A sentence, a second one, detail behind a fold, and one button for each choice (the first is the usual one)."""

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        text: str,
        hint: str,
        detail: str,
        *choices: Choice,
        fold_name: str = "Technical detail",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(680 if detail else 440)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        self.message, self.hint = label(text, "appName", True), label(hint, "soft", True)
        column.addWidget(self.message)
        if hint:
            column.addWidget(self.hint)
        self.detail = QPlainTextEdit(detail)
        self.detail.setReadOnly(True)
        self.detail.setObjectName("code")
        self.detail.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.detail.setFixedHeight(min(_LINE * (detail.count("\n") + 3), _HIGHEST))
        self.detail.hide()
        buttons = row(None, spacing=theme.S)
        if detail:
            fold = QPushButton(f"{fold_name} ▾")
            fold.clicked.connect(self._toggle)
            buttons.insertWidget(0, fold)
            column.addWidget(self.detail)
        self.buttons: list[QPushButton] = []
        for position, (words, action) in enumerate(choices):
            button = QPushButton(words)
            button.setObjectName("plain" if position else "primary")
            button.setDefault(not position)
            button.clicked.connect(lambda _=False, action=action: self._choose(action))
            self.buttons.append(button)
        for button in reversed(self.buttons):
            buttons.addWidget(button)
        column.addLayout(buttons)

    def _toggle(self) -> None:
        self.detail.setVisible(self.detail.isHidden())
        self.adjustSize()

    def _choose(self, action: Callable[[], None] | None) -> None:
        self.accept()
        if action is not None:
            action()


def error_dialog(parent: QWidget | None, error: UserError) -> MessageDialog:
    """The dialog of a :class:`UserError`."""
    return MessageDialog(parent, "Saliency Viewer", error.message, error.hint, error.detail, ("Close", None))
