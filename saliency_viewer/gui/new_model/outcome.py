"""What a check found: the answer about the image, a map, the findings, the layers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QButtonGroup, QLabel, QSizePolicy, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from saliency_viewer.domain import Prediction
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.layer_tree import LayerTree
from saliency_viewer.gui.panels.model import Bar
from saliency_viewer.gui.panels.parts import badge, card, clear, label, row
from saliency_viewer.models.checking import Finding
from saliency_viewer.pipeline import Trial

_BEFORE = "Check puts the weights into the network, asks it about the image that is open, and explains its answer."
_NO_IMAGE = "No image is open in the window, so nothing was asked. Open one to see an answer and a map."
_STALE = "Something was changed since this check."
_MOST_CLASSES = 5
_PICTURE = (640, 290)  # pixels
_BADGES = {"fault": "failed", "warning": "approximate", "note": "not defined"}


class OutcomeCard(QWidget):
    """The right half of the dialog."""

    layer_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        frame, self._inside, _ = card("Check")
        self.words = label(_BEFORE, "soft", wraps=True)
        self.stale = label(_STALE, "warning", wraps=True)
        self.picture, self.caption = QLabel(), label("", "muted", wraps=True)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.picture.setAccessibleName("Image and map")
        self._classes, self._findings = QVBoxLayout(), QVBoxLayout()
        for rows in (self._classes, self._findings):
            rows.setSpacing(theme.XS)
        self.layers = LayerTree()
        self.layers.chosen.connect(self.layer_chosen)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._findings_page())
        self._pages.addWidget(self.layers)
        for widget in (self.words, self.stale, self.picture, self.caption):
            self._inside.addWidget(widget)
        self._inside.addLayout(self._classes)
        self._inside.addLayout(self._tabs())
        self._inside.addWidget(self._pages, 1)
        self._rest = QWidget()  # keeps the words on top while there is nothing below them
        self._rest.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._inside.addWidget(self._rest, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(frame)
        self.forget()

    def _findings_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._findings)
        column.addStretch(1)
        return page

    def _tabs(self) -> QVBoxLayout:
        self._group = QButtonGroup(self)
        line = row(spacing=theme.XS)
        self.tabs: list[QToolButton] = []
        for number, words in enumerate(("Findings", "Layers")):
            tab = QToolButton()
            tab.setText(words)
            tab.setObjectName("smallTab")
            tab.setCheckable(True)
            tab.setChecked(number == 0)
            self._group.addButton(tab, number)
            line.addWidget(tab)
            self.tabs.append(tab)
        line.addStretch(1)
        self._group.idClicked.connect(self._pages.setCurrentIndex)
        column = QVBoxLayout()
        column.addLayout(line)
        return column

    def forget(self) -> None:
        """Nothing was checked yet."""
        self.words.setText(_BEFORE)
        self._show_parts(False)
        self.stale.hide()
        clear(self._classes)
        clear(self._findings)
        self.layers.show_layers(None)

    def mark_stale(self) -> None:
        """The card is not the one that was checked any more."""
        self.stale.setVisible(self.tabs[0].isVisible())

    def show_trial(self, trial: Trial, with_image: bool) -> None:
        """Show what was found."""
        self.forget()
        self._show_parts(True)
        self.words.setText("" if with_image else _NO_IMAGE)
        self.words.setVisible(not with_image)
        self._show_picture(trial)
        if trial.prediction is not None:
            self._show_answer(trial.prediction)
        for finding in trial.findings:
            self._findings.addLayout(_finding_line(finding))
        for fact in trial.facts:
            self._findings.addWidget(label(fact, "muted", wraps=True))
        self.layers.show_layers(trial.layers)
        self.tabs[1].setEnabled(trial.layers is not None)
        self.tabs[0].click()

    def _show_parts(self, on: bool) -> None:
        self.words.setVisible(True)
        for widget in (self.picture, self.caption, self._pages, *self.tabs):
            widget.setVisible(on)
        self._rest.setVisible(not on)

    def _show_picture(self, trial: Trial) -> None:
        self.picture.setVisible(trial.picture is not None)
        self.caption.setVisible(bool(trial.words))
        self.caption.setText(trial.words)
        if trial.picture is not None:
            height, width, _ = trial.picture.shape
            image = QImage(trial.picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            pixmap = QPixmap.fromImage(image)
            if width > _PICTURE[0] or height > _PICTURE[1]:
                pixmap = pixmap.scaled(
                    *_PICTURE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
                )
            self.picture.setPixmap(pixmap)

    def _show_answer(self, prediction: Prediction) -> None:
        order = sorted(range(len(prediction.classes)), key=lambda k: -prediction.probabilities[k])
        for k in order[:_MOST_CLASSES]:
            probability = float(prediction.probabilities[k])
            name = label(prediction.classes[k])
            name.setMinimumWidth(120)
            line = row(name)
            line.addWidget(Bar(probability, k == prediction.predicted), 1)
            line.addWidget(label(f"{probability:.2f}"))
            self._classes.addLayout(line)


def _finding_line(finding: Finding) -> QVBoxLayout:
    line = row(spacing=theme.S)
    mark = badge(finding.level, _BADGES[finding.level])
    mark.setMinimumWidth(60)
    mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
    words = QVBoxLayout()
    words.setSpacing(0)
    words.addWidget(label(finding.message, wraps=True))
    if finding.hint:
        words.addWidget(label(finding.hint, "soft", wraps=True))
    line.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
    line.addLayout(words, 1)
    column = QVBoxLayout()
    column.addLayout(line)
    return column
