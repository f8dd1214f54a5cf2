"""Right, first: what the model is and what it said."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from saliency_viewer.domain import Prediction, study_warnings
from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.panels.menus import opening_menu
from saliency_viewer.gui.panels.parts import ElidedLabel, card, clear, label, row
from saliency_viewer.gui.state import DocumentState

_SHOWN_CLASSES = 6
_NAMES = 112  # pixels


class Bar(QWidget):
    """A probability as a bar, 0..1."""

    def __init__(self, value: float, strong: bool) -> None:
        super().__init__()
        self._value, self._strong = value, strong
        self.setFixedHeight(8)
        self.setMinimumWidth(80)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw track and bar."""
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(theme.LINE))
            filled = QRectF(0, 0, self.width() * min(max(self._value, 0.0), 1.0), self.height())
            painter.fillRect(filled, QColor(theme.ACCENT if self._strong else "#566070"))


class ModelPanel(QWidget):
    """Name, version, hash, class probabilities and a warning when the study is of another kind."""

    def __init__(self, state: DocumentState, intents: Intents, recent: RecentFiles) -> None:
        super().__init__()
        self._state = state
        frame, inside, _ = card("Model")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self._name, self._version = ElidedLabel("No model yet"), label("", "muted")
        choose = QPushButton("Choose ▾")
        choose.setToolTip("Choose a model package: a folder with model.toml, or a zip")
        ask, take = intents.choose_model_dialog.emit, intents.choose_model.emit
        ways = [
            ("Folder with model.toml…", lambda: ask("folder")),
            ("Zip…", lambda: ask("file")),
            ("New model package…", lambda: intents.new_model_dialog.emit()),
            ("Train one…", lambda: intents.training_page.emit()),
        ]
        choose.setMenu(opening_menu(choose, intents, ways, lambda: recent.list.models, lambda path: take(path)))
        inside.addLayout(row(self._name, self._version, None, choose))
        self._classes = QVBoxLayout()
        self._classes.setSpacing(theme.XS)
        inside.addLayout(self._classes)
        self._warning = label("", "warning", wraps=True)
        inside.addWidget(self._warning)
        for fact in (state.model_changed, state.result_changed, state.volume_changed):
            fact.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the state."""
        card_, result = self._state.card, self._state.answer
        if card_ is not None:
            self._name.setText(card_.name)
            digest = f" · sha {result.model_hash[:6]}…" if result is not None else ""
            self._version.setText(f"{card_.version}{digest}")
            fold = f"; fold {result.fold}" if result is not None and result.fold else ""
            self._version.setToolTip(f"Architecture {card_.architecture}; intended use: {card_.intended_use}{fold}")
        clear(self._classes)
        if result is not None:
            self._show(result.prediction)
        else:
            hint = "Press Explain to ask it." if card_ is not None else "Choose a model package, or open the demo."
            if card_ is not None and self._state.result is not None:
                other = self._state.result.card
                hint = f"Press Explain to ask it. The maps shown are still those of {other.name} {other.version}."
            self._classes.addWidget(label(hint, "muted", wraps=True))
        self._warning.setText("\n".join(self._warnings()))
        self._warning.setVisible(bool(self._warning.text()))

    def _show(self, prediction: Prediction) -> None:
        order = sorted(range(len(prediction.classes)), key=lambda k: -prediction.probabilities[k])
        for k in order[:_SHOWN_CLASSES]:
            probability = float(prediction.probabilities[k])
            name, value = ElidedLabel(prediction.classes[k]), label(f"{probability:.2f}")
            name.setFixedWidth(_NAMES)
            line = row(name)
            line.addWidget(Bar(probability, k == prediction.predicted), 1)
            line.addWidget(value)
            value.setToolTip(f"Probability {probability:.4f}; raw score {float(prediction.logits[k]):.3g}")
            self._classes.addLayout(line)
        if prediction.aggregate:
            self._classes.addWidget(label(f"over slices: {prediction.aggregate}", "muted"))

    def _warnings(self) -> list[str]:
        card_, volume, result = self._state.card, self._state.volume, self._state.answer
        found: list[str] = []
        if card_ is not None and volume is not None:
            found.extend(study_warnings(card_, volume))
        if result is not None:
            of_image = self._state.case.warnings if self._state.case is not None else ()  # told below the image
            found.extend(warning for warning in result.warnings if warning not in of_image)
        if self._state.amap is not None and not self._state.amap.target_is_predicted:
            found.append(f"The map is for {self._state.amap.target}, which the model did NOT predict.")
        return list(dict.fromkeys(word for word in found if word))
