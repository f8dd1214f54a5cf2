"""Which network a checkpoint is taken for: the candidates, and the arguments of the chosen one."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.new_model.fields import form
from saliency_viewer.gui.panels.parts import badge, card, clear, label, row
from saliency_viewer.models.card_text import toml_value
from saliency_viewer.models.recognition import Candidate, Inspection

_UNKNOWN = "The weights belong to no network that is known here. Type its architecture as model.toml writes it."
_UNSURE = "No known network takes all weights; the nearest ones are listed, and any other can be typed."
_TIP = Qt.ItemDataRole.ToolTipRole
_OWN_CODE = (
    "A network of your own code needs its Python file: make the package with 'saliency-viewer model new --architecture "
    "python:FILE.py:CLASS'."
)


class NetworkCard(QWidget):
    """A combo box of candidates, each with how well it fits, that can also be typed into."""

    chosen = Signal()  # another candidate
    changed = Signal()  # its arguments

    def __init__(self) -> None:
        super().__init__()
        self._inspection: Inspection | None = None
        self._last: str | None = None  # the name whose arguments are shown
        self.architecture, self.arguments = QComboBox(), QLineEdit()
        self.architecture.setEditable(True)
        self.architecture.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.architecture.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.architecture.setAccessibleName("Architecture")
        self.arguments.setPlaceholderText("none")
        self.arguments.setToolTip("As in model.toml: num_classes = 2, in_channels = 1")
        self.notes = label("", "muted", wraps=True)
        self._fit = row()
        frame, inside, _ = card("Network")
        inside.addLayout(form(("Architecture", self.architecture), ("Arguments", self.arguments)))
        inside.addLayout(self._fit)
        inside.addWidget(self.notes)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        column.addWidget(frame)
        self.architecture.activated.connect(lambda _: self._took())
        line = self.architecture.lineEdit()
        if line is not None:
            line.editingFinished.connect(self._took)
        self.arguments.textEdited.connect(lambda _: self.changed.emit())

    def show_inspection(self, inspection: Inspection) -> None:
        """List the candidates of another checkpoint and choose the first."""
        self._inspection = inspection
        self.architecture.clear()
        for candidate in inspection.candidates:
            self.architecture.addItem(candidate.architecture)
            fit = candidate.fit.text if candidate.fit is not None else "network and weights in one file"
            self.architecture.setItemData(self.architecture.count() - 1, fit, _TIP)
        self._last = None
        self._took()

    def candidate(self) -> Candidate:
        """What is chosen, with the arguments as they stand; raises :class:`UserError`."""
        name = self.architecture.currentText().strip()
        if not name:
            raise UserError("The network is not known.", "Choose or type its architecture.")
        if name.startswith("python:"):
            raise UserError("A network of your own code cannot be packed here.", _OWN_CODE)
        return replace(self.guess(), arguments=_read(self.arguments.text()))

    def guess(self) -> Candidate:
        """What is chosen, as far as the weights say it."""
        return self._plain(self.architecture.currentText().strip())

    def _plain(self, name: str) -> Candidate:
        if self._inspection is None:
            return Candidate(name)
        listed = (one for one in self._inspection.candidates if one.architecture == name)
        return next(listed, replace(self._inspection.outline, architecture=name))

    def _took(self) -> None:
        name = self.architecture.currentText().strip()
        if name == self._last:
            return
        self._last = name
        candidate = self._plain(name)
        self.arguments.setText(", ".join(f"{key} = {toml_value(value)}" for key, value in candidate.arguments.items()))
        self.arguments.setCursorPosition(0)
        self._tell(candidate)
        self.chosen.emit()

    def _tell(self, candidate: Candidate) -> None:
        clear(self._fit)
        if candidate.fit is not None:
            short = candidate.fit.text.partition(",")[0]
            kind = "verified" if candidate.complete else "approximate"
            self._fit.addWidget(badge(short, kind, candidate.fit.text))
            self._fit.addStretch(1)
        words = list(candidate.notes)
        if self._inspection is not None and not self._inspection.recognised:
            words += [_UNSURE if self._inspection.candidates else _UNKNOWN, _OWN_CODE]
        self.notes.setText("\n".join(words))
        self.notes.setVisible(bool(words))


def _read(text: str) -> dict[str, Any]:
    """The arguments of a line such as ``num_classes = 2``; raises :class:`UserError`."""
    try:
        found: dict[str, Any] = tomllib.loads(f"arguments = {{ {text} }}")["arguments"]
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            "The arguments of the architecture cannot be read.", "Write them like num_classes = 2, in_channels = 1."
        ) from error
    return found
