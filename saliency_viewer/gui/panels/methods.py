"""Right, second: which methods, with which parameters; Explain, progress and Cancel."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.attribution import FAMILIES, METHODS, Method
from saliency_viewer.domain import MethodRequest, parameter_specs
from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.analysis import FIRST_METHODS, Wish
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parameters import ParameterForm
from saliency_viewer.gui.panels.parts import TickBox, card, label, row
from saliency_viewer.gui.state import DocumentState

_SHOWN_FIRST = (*FIRST_METHODS, "lrp-epsilon-plus", "smooth-grad")
_MORE = f"All {len(METHODS)} methods"
_PREDICTED = "predicted class"


class MethodRow(QWidget):
    """A check box with its parameters in a fold."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method
        self.check = TickBox(method.label)
        self.check.setChecked(method.id in FIRST_METHODS)
        self.check.setToolTip(f"{method.summary}\n{method.reference}")
        self.form = ParameterForm(parameter_specs(method.Parameters))
        self.form.hide()
        self._fold = QPushButton()
        self._fold.setObjectName("mutedButton")
        self._fold.setToolTip("Show the parameters")
        self._fold.clicked.connect(self._toggle)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row(self.check, None, self._fold))
        column.addWidget(self.form)
        self._write()

    def _toggle(self) -> None:
        self.form.setVisible(self.form.isHidden())
        self._write()

    def _write(self) -> None:
        words = self.form.summary() or ("layer" if self.method.capabilities.needs_layer else "")
        has_any = bool(parameter_specs(self.method.Parameters))
        arrow = " ▾" if self.form.isHidden() else " ▴"
        self._fold.setText((words or "options") + arrow if has_any else words)
        self._fold.setEnabled(has_any)


class MethodsPanel(QWidget):
    """Builds a :class:`Wish` and shows how far its computation is."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self._state, self._intents = state, intents
        frame, inside, _ = card("Explain")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.rows = [MethodRow(method) for method in sorted(METHODS, key=_rank)]
        self._headings = {name: label(name, "muted") for name in FAMILIES}
        for line in self.rows:
            if line.method.id not in _SHOWN_FIRST and _opens_its_family(line.method):
                inside.addWidget(self._headings[_family(line.method)])
            inside.addWidget(line)
        self._more = self._fold(_MORE)
        self._more.clicked.connect(self._show_more)
        self._options = self._fold("Target, layer, slices, seed")
        inside.addLayout(row(self._more, None, self._options))
        self._plan = self._plan_form()
        self._options.clicked.connect(lambda: self._plan.setVisible(self._plan.isHidden()))
        inside.addWidget(self._plan)
        self._explain, self._cancel = QPushButton("Explain"), QPushButton("Cancel")
        self._explain.setObjectName("primary")
        self._explain.clicked.connect(self.explain)
        self._cancel.clicked.connect(lambda: intents.cancel.emit())
        inside.addWidget(self._explain)
        self._bar, self._words = QProgressBar(), label("", "muted")
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        inside.addWidget(self._bar)
        inside.addLayout(row(self._words, None, self._cancel))
        state.compute_changed.connect(self._progress)
        state.model_changed.connect(self._another_model)
        state.result_changed.connect(self._name_classes)
        intents.explain_chosen.connect(self.explain)
        self._hide_rest()
        self._progress()

    def wish(self) -> Wish:
        """What is chosen; raises :class:`UserError` for a value that makes no sense."""
        chosen = tuple(MethodRequest(r.method.id, r.form.values()) for r in self.rows if r.check.isChecked())
        if not chosen:
            raise UserError("No method is chosen.", "Tick at least one.")
        target = self._target.currentText()
        return Wish(
            methods=chosen,
            target=None if target == _PREDICTED else target,
            layer=self._layer.text().strip() or None,
            slices=_slices(self._slices.text()),
            seed=_whole(self._seed.text(), "seed"),
        )

    @property
    def ticked(self) -> tuple[str, ...]:
        """Ids of the chosen methods."""
        return tuple(line.method.id for line in self.rows if line.check.isChecked())

    def tick(self, ids: tuple[str, ...]) -> None:
        """Choose these methods and no others; without a known one nothing changes."""
        if any(line.method.id in ids for line in self.rows):
            for line in self.rows:
                line.check.setChecked(line.method.id in ids)
            self._hide_rest()

    def explain(self) -> None:
        """Send the wish."""
        try:
            wish = self.wish()
        except UserError as error:
            self._state.report(error)
            return
        self._intents.explain.emit(wish)

    def _fold(self, text: str) -> QPushButton:
        made = QPushButton(f"{text} ▾")
        made.setObjectName("mutedButton")
        return made

    def _plan_form(self) -> QWidget:
        made = QWidget()
        form = QFormLayout(made)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(theme.XS)
        self._target = QComboBox()
        self._target.addItem(_PREDICTED)
        self._layer, self._slices, self._seed = QLineEdit(), QLineEdit(), QLineEdit("0")
        self._layer.setPlaceholderText("the model's own, else found")
        tree = QPushButton("Tree…")
        tree.setToolTip("Choose from the model's layers")
        tree.clicked.connect(lambda: self._intents.layer_dialog.emit(self._layer.text().strip()))
        self._intents.choose_layer.connect(self._layer.setText)
        self._slices.setPlaceholderText("automatic, or 40, 50, 60")
        for name, field in (
            ("Target class", self._target),
            ("Layer", row(self._layer, tree)),
            ("Key slices", self._slices),
            ("Seed", self._seed),
        ):
            form.addRow(label(name, "soft"), field)
        made.hide()
        return made

    def _another_model(self) -> None:
        """Classes and layers are the model's own: what was chosen for another one means nothing here."""
        self._layer.clear()
        self._target.clear()
        self._target.addItem(_PREDICTED)
        if self._state.card is not None:
            self._target.addItems(list(self._state.card.output.classes))

    def _name_classes(self) -> None:
        """Classes without names in the card are known once the model has answered."""
        answer = self._state.answer
        if answer is not None and self._target.count() == 1:
            self._target.addItems(list(answer.prediction.classes))

    def _hide_rest(self) -> None:
        self._show(everything=False)

    def _show(self, everything: bool) -> None:
        for line in self.rows:
            line.setVisible(everything or line.method.id in _SHOWN_FIRST or line.check.isChecked())
        for heading in self._headings.values():
            heading.setVisible(everything)

    def _show_more(self) -> None:
        hidden = any(line.isHidden() for line in self.rows)
        self._show(everything=hidden)
        self._more.setText("Fewer methods ▴" if hidden else f"{_MORE} ▾")

    def _progress(self) -> None:
        compute = self._state.compute
        busy = compute.job is not None
        for widget in (self._bar, self._words, self._cancel):
            widget.setVisible(busy)
        self._explain.setVisible(not busy)
        self._cancel.setEnabled(not compute.stopping)
        self._bar.setValue(round(1000 * compute.fraction))
        self._words.setText(" · ".join(word for word in (compute.text, time_left(compute.seconds_left)) if word))


def time_left(seconds: float | None) -> str:
    """``12 s left``, ``3 min left``, ``2 h 10 min left``, or nothing when unknown."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes >= 90:
        return f"{minutes // 60} h {minutes % 60:02d} min left"
    return f"{max(1, round(seconds))} s left" if seconds < 90 else f"{minutes} min left"


def _family(method: Method) -> str:
    return next(name for name, members in FAMILIES.items() if method in members)


def _opens_its_family(method: Method) -> bool:
    """Whether no other row of its family comes before it in the list below the first ones."""
    return method is next(one for one in FAMILIES[_family(method)] if one.id not in _SHOWN_FIRST)


def _rank(method: Method) -> int:
    ids = [one.id for one in METHODS]
    return _SHOWN_FIRST.index(method.id) if method.id in _SHOWN_FIRST else len(_SHOWN_FIRST) + ids.index(method.id)


def _whole(text: str, what: str) -> int:
    try:
        return int(text.strip() or "0")
    except ValueError:
        raise UserError(f"'{text}' is no {what}.", "Write a whole number.") from None


def _slices(text: str) -> tuple[int, ...]:
    return tuple(_whole(part, "slice") for part in text.split(",") if part.strip())
