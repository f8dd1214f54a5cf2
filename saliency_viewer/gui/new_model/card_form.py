"""What the file does not say: classes, input, preprocessing, and what the model is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from saliency_viewer.domain import ExplainSpec, ModelCard, OutputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.new_model.fields import ClassTable, choices, choose, form, number
from saliency_viewer.gui.panels.parts import card, label, row
from saliency_viewer.models.making import DEFAULT_WINDOW, INTENSITIES, intensity_name, intensity_steps

_LARGEST = 4096
_LEVEL = 88  # pixels
_AXES = ("slices", "rows", "columns")
_SPACE = 3
_ACTIVATIONS = (
    ("softmax", "Softmax: one class of several", "The probabilities of all classes add up to 1"),
    (
        "sigmoid",
        "Sigmoid: each class by itself",
        "Several findings can be there at once; or one output for two classes",
    ),
    ("none", "None: it answers with probabilities", "The network's last layer is a softmax or sigmoid already"),
)
_LAYOUTS = (
    ("2d", "2D: one slice at a time", "Radiographs, and every slice of a volume by itself"),
    ("2.5d", "2.5D: neighbouring slices as channels", "The channels are the slice and those before and after it"),
    ("3d", "3D: the whole volume", "Slices, rows and columns together"),
)
_FITS = (
    ("letterbox", "Letterbox: the whole image, padded", "As large as fits, its shape kept, the rest padded"),
    ("crop", "Crop: the middle part", "The middle is cut out; smaller images are padded"),
    ("stretch", "Stretch to the size", "Both sides are scaled by themselves, so its shape changes"),
    ("none", "None: the size must be right", "Only images of this size are taken"),
)


class CardForm(QWidget):
    """Fields of a card; :meth:`card` reads them."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.name, self.modality, self.layer = QLineEdit(), QLineEdit(), QLineEdit()
        self.modality.setPlaceholderText("any; such as CR, DX")
        self.layer.setPlaceholderText("found automatically")
        self.layer.setToolTip("What class activation maps read; after a check, double-click one of the layers")
        self.classes, self.outputs = ClassTable(), number(_LARGEST)
        self.activation, self.layout_, self.fit = choices(_ACTIVATIONS), choices(_LAYOUTS), choices(_FITS)
        self.intensity = choices(INTENSITIES)
        self.channels = number(99)
        self.sides = tuple(number(_LARGEST) for _ in _AXES)
        self.levels = (_level(-20000.0), _level(1e-3))
        self._draft: ModelCard | None = None
        self._assemble()
        self._connect()

    def _assemble(self) -> None:
        answer, inside, _ = card("Answer")
        self._answer = form(("Number", self.outputs), ("Classes", self.classes), ("Activation", self.activation))
        inside.addLayout(self._answer)
        given, below, _ = card("Input")
        sizes = row(spacing=theme.XS)
        for field, axis in zip(self.sides, _AXES, strict=True):
            field.setToolTip(f"Number of {axis}")
            field.setAccessibleName(f"Number of {axis}")
            sizes.addWidget(field)
        sizes.addSpacing(theme.M)
        sizes.addWidget(label("channels", "soft"))
        sizes.addWidget(self.channels)
        sizes.addStretch(1)
        self.channels.setAccessibleName("Number of channels")
        self._window_row = _window_line(*self.levels)
        self._input = form(
            ("Layout", self.layout_),
            ("Size", sizes),
            ("Fit", self.fit),
            ("Intensity", self.intensity),
            ("Window", self._window_row),
        )
        below.addLayout(self._input)
        about, last, _ = card("About the model")
        last.addLayout(form(("Name", self.name), ("Modality", self.modality), ("Layer", self.layer)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for frame in (answer, given, about):
            column.addWidget(frame)
        column.addStretch(1)

    def _connect(self) -> None:
        for line in (self.name, self.modality, self.layer):
            line.textEdited.connect(lambda _: self.changed.emit())
        for combo in (self.activation, self.fit):
            combo.activated.connect(lambda _: self.changed.emit())
        for combo in (self.layout_, self.intensity):
            combo.activated.connect(lambda _: self._follow())
        for side in (*self.sides, self.channels):
            side.valueChanged.connect(lambda _: self.changed.emit())
        for level in self.levels:
            level.valueChanged.connect(lambda _: self.changed.emit())
        self.outputs.valueChanged.connect(self._count_classes)
        self.classes.itemChanged.connect(lambda _: self.changed.emit())

    def show_card(self, draft: ModelCard, outputs: int, dimensions: int, channels: int) -> None:
        """Fill the fields; what the weights settle (0: nothing) cannot be changed."""
        before = self.blockSignals(True)
        self._draft = draft
        spec = draft.input
        self.name.setText(draft.name)
        self.classes.show_names(draft.output.classes)
        self.outputs.setValue(len(draft.output.classes))
        self._answer.setRowVisible(self.outputs, outputs == 0)
        choose(self.activation, draft.output.activation)
        choose(self.layout_, spec.layout)
        self.layout_.setEnabled(dimensions != _SPACE)
        self.channels.setValue(spec.channels)
        self.channels.setEnabled(channels == 0)
        choose(self.fit, spec.fit)
        choose(self.intensity, intensity_name(spec.intensity, spec.channels))
        for level, usual_level in zip(self.levels, DEFAULT_WINDOW, strict=True):
            level.setValue(usual_level)
        usual = spec.size or ((96, 96, 96) if spec.layout == "3d" else (224, 224))
        for field, side in zip(self.sides[-len(usual) :], usual, strict=True):
            field.setValue(side)
        self._show_parts()
        self.blockSignals(before)

    def card(self, architecture: str, arguments: dict[str, Any]) -> ModelCard:
        """The card as the fields say it; raises :class:`UserError`."""
        if self._draft is None:
            raise UserError("There is no checkpoint yet.", "Choose one first.")
        classes = self.classes.names
        if not all(classes) or len(set(classes)) != len(classes):
            raise UserError("Every class needs a name of its own.", "Fill in the table of classes.")
        channels, name = self.channels.value(), str(self.intensity.currentData())
        window = (self.levels[0].value(), self.levels[1].value())
        spec = replace(
            self._draft.input,  # whose order of axes is not asked for
            layout=self.layout_.currentData(),
            channels=channels,
            size=tuple(field.value() for field in self.sides[0 if self._in_space else 1 :]),
            fit=self.fit.currentData(),
            intensity=intensity_steps(name, channels, window),
        )
        words = self.modality.text().replace(";", ",").split(",")
        return replace(
            self._draft,
            name=self.name.text().strip() or self._draft.name,
            architecture=architecture,
            arguments=arguments,
            output=OutputSpec(classes, cast(Any, self.activation.currentData())),
            input=spec,
            explain=ExplainSpec(self.layer.text().strip() or None),
            modality=tuple(word.strip().upper() for word in words if word.strip()),
        )

    def take_layer(self, path: str) -> None:
        """The layer that class activation maps shall read."""
        self.layer.setText(path)
        self.changed.emit()

    @property
    def _in_space(self) -> bool:
        return str(self.layout_.currentData()) == "3d"

    def _count_classes(self, count: int) -> None:
        names = self.classes.names[:count]
        self.classes.show_names([*names, *(f"class {k}" for k in range(len(names), count))])
        self.changed.emit()

    def _follow(self) -> None:
        self._show_parts()
        self.changed.emit()

    def _show_parts(self) -> None:
        self.sides[0].setVisible(self._in_space)
        self._input.setRowVisible(self._window_row, str(self.intensity.currentData()).startswith("window"))
        self.intensity.setToolTip(next(tip for name, _, tip in INTENSITIES if name == self.intensity.currentData()))


def _level(least: float) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    made.setRange(least, 100000.0)
    made.setDecimals(1)
    made.setFixedWidth(_LEVEL)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made


def _window_line(centre: QDoubleSpinBox, width: QDoubleSpinBox) -> QHBoxLayout:
    centre.setAccessibleName("Centre of the window")
    width.setAccessibleName("Width of the window")
    return row(label("centre", "muted"), centre, label("width", "muted"), width, None)
