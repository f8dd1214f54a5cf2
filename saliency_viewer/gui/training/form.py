"""What to train, on what and how: fields that make a training plan."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.domain import (
    TrainingPlan,
    TrainingSettings,
    parameter_specs,
)
from saliency_viewer.domain.parameters import parameter
from saliency_viewer.domain.plan import DEFAULT_THREADS
from saliency_viewer.domain.training import DATASETS, DatasetName
from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.dialogs.paths import PathField
from saliency_viewer.gui.panels.parameters import ParameterForm
from saliency_viewer.gui.panels.parts import card, label
from saliency_viewer.training.networks import NETWORKS

# What it is called, how its place is asked for, and what lies there.
_DATASETS: dict[DatasetName, tuple[str, str, str]] = {
    "csv": ("Table of images (CSV)", "file", "A row for each image"),
    "rsna": ("RSNA Pneumonia Detection", "folder", "with stage_2_train_labels.csv"),
    "siim": ("SIIM-ACR Pneumothorax", "folder", "with train-rle.csv"),
}
_NAMES = 104  # pixels
_COLUMNS = {
    "image": "its path, from the table's folder",
    "label": "its class",
    "patient": "all images of one person stay together",
    "mask": "optional: a file that says where the finding is",
    "split": "optional: training, validation or test, where that is settled",
}


@dataclass(frozen=True)
class Machine:
    """Where and on how much to train: what is no matter of how."""

    device: str = parameter("auto", label="Device", help="Where to compute", choices=("auto", "cpu", "cuda"))
    threads: int = parameter(DEFAULT_THREADS, label="Threads", help="Processor threads", minimum=1, maximum=256)
    limit: int = parameter(0, label="Cases at most", help="0: all; for a first try, a few hundred", minimum=0)


class TrainingForm(QWidget):
    """Cards for data, network and settings; :meth:`plan` reads them."""

    def __init__(self) -> None:
        super().__init__()
        specs = parameter_specs(TrainingSettings)
        self.dataset, self.architecture = QComboBox(), QComboBox()
        for name in _DATASETS:
            self.dataset.addItem(_DATASETS[name][0], name)
        for network in NETWORKS:
            self.architecture.addItem(network.label, network.name)
        self.root = PathField("Data", "", ("folder", "file"))
        self.out = PathField("New package", "A folder of its own", ("folder",))
        self.columns = {role: QLineEdit() for role in _COLUMNS}
        self.settings = ParameterForm(tuple(spec for spec in specs if not spec.advanced), 0, _NAMES)
        self.settings.hint("pretrained", "random weights")
        self.settings.hint("size", "what the network is used with")
        self.rest = ParameterForm(tuple(spec for spec in specs if spec.advanced), 0, _NAMES)
        self.machine = ParameterForm(parameter_specs(Machine), 0, _NAMES)
        self.machine.hint("limit", "all")
        self._more = QPushButton("More settings ▾")
        self._more.setObjectName("mutedButton")
        self._more.clicked.connect(self._fold)
        self.dataset.currentIndexChanged.connect(self._another_set)
        self._assemble()
        self._another_set()
        self._fold()

    def plan(self) -> TrainingPlan:
        """What the fields say; raises :class:`UserError` for a missing field or a value that makes no sense."""
        if not (self.root.text and self.out.text):
            missing = "where the data is" if not self.root.text else "a folder for the new package"
            raise UserError("Something is missing.", f"Choose {missing} first.")
        machine = Machine(**self.machine.values())
        settings = TrainingSettings(**self.settings.values(), **self.rest.values())
        named = {role: field.text().strip() for role, field in self.columns.items()}
        return TrainingPlan(
            dataset=self.chosen_set,
            root=self.root.text,
            architecture=str(self.architecture.currentData()),
            out=self.out.text,
            settings=settings,
            columns={role: name for role, name in named.items() if name} if self.chosen_set == "csv" else {},
            device=machine.device,
            threads=machine.threads,
            limit=machine.limit,
        )

    @property
    def chosen_set(self) -> DatasetName:
        """The data set's layout."""
        return next(name for name in DATASETS if name == self.dataset.currentData())

    def _assemble(self) -> None:
        data, inside, _ = card("Data")
        inside.addLayout(_form(("Data set", self.dataset), ("Where", self.root)))
        self._named = QWidget()
        columns = _form(*((role.capitalize(), field) for role, field in self.columns.items()))
        for role, field in self.columns.items():
            field.setPlaceholderText(role)
            field.setToolTip(f"Name of the column: {_COLUMNS[role]}")
            field.setAccessibleName(f"Column of the {role}")
        whole = QVBoxLayout(self._named)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.XS)
        whole.addWidget(label("Its columns, where they have other names", "muted"))
        whole.addLayout(columns)
        inside.addWidget(self._named)
        network, below, _ = card("Network")
        below.addLayout(_form(("Architecture", self.architecture), ("New package", self.out)))
        how, last, _ = card("Settings")
        for widget in (self.settings, self._more, self.rest, self.machine):
            last.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, theme.M, 0)  # the scroll bar's room
        column.setSpacing(theme.S)
        for one in (data, network, how):
            column.addWidget(one)
        column.addStretch(1)

    def _another_set(self) -> None:
        _, kind, words = _DATASETS[self.chosen_set]
        self.root.offer(kind)
        self.root.line.setPlaceholderText(words)
        self._named.setVisible(self.chosen_set == "csv")

    def _fold(self) -> None:
        hidden = not self.rest.isHidden()
        for form in (self.rest, self.machine):
            form.setHidden(hidden)
        self._more.setText("More settings ▾" if hidden else "Fewer settings ▴")


def _form(*rows: tuple[str, QWidget]) -> QFormLayout:
    made = QFormLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(theme.XS)
    for name, field in rows:
        said = label(name, "soft")
        if not field.accessibleName():
            field.setAccessibleName(name)
        said.setMinimumSize(_NAMES, field.sizeHint().height())
        made.addRow(said, field)
    return made
