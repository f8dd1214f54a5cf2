"""Right, third: the list of regions and what the drawing tools need."""

from __future__ import annotations

from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QColorDialog, QDoubleSpinBox, QLineEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from saliency_viewer.domain import Region
from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import card, clear, label, row
from saliency_viewer.gui.panels.units import length_unit
from saliency_viewer.gui.state import DocumentState

_EMPTY = "No region yet. Take Polygon or Brush and draw, or import a mask."


class RegionsPanel(QWidget):
    """Colour, name (edited in place), lock, hide, remove; brush radius, import and export."""

    def __init__(self, state: DocumentState, intents: Intents) -> None:
        super().__init__()
        self._state, self._intents = state, intents
        frame, inside, _ = card("Regions")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        inside.addLayout(self._list)
        self._radius = QDoubleSpinBox()
        self._radius.setRange(0.1, 200.0)
        self._radius.setDecimals(1)
        self._radius.setToolTip("Radius of brush and eraser")
        self._radius.valueChanged.connect(lambda value: intents.set_radius.emit(value))
        inside.addLayout(row(label("Brush radius", "soft"), self._radius, None))
        inside.addLayout(
            row(
                _button("New", "Add an empty region (N)", intents.add_region.emit),
                _button("Import…", "Read a mask on this image's grid", intents.import_regions_dialog.emit),
                _button("Export…", "Write the regions as a label map", intents.export_regions_dialog.emit),
                None,
                spacing=theme.XS,
            )
        )
        state.regions_changed.connect(self.refresh)
        state.volume_changed.connect(self.refresh)
        state.view_changed.connect(self._show_radius)
        self.refresh()
        self._show_radius()

    def refresh(self) -> None:
        """Read the state."""
        clear(self._list)
        volume, regions = self._state.volume, self._state.regions
        self._radius.setSuffix(f" {length_unit(volume.geometry if volume is not None else None)}")
        if regions is None or not len(regions):
            self._list.addWidget(label(_EMPTY, "muted", wraps=True))
            return
        for region in regions.regions:
            self._list.addWidget(self._line(region))

    def _line(self, region: Region) -> QWidget:
        name, intents = region.name, self._intents
        colour = QPushButton()
        colour.setFixedSize(14, 14)
        colour.setStyleSheet(f"background: {region.colour}; border-radius: 7px; padding: 0; min-width: 0;")
        colour.setToolTip("Change the colour")
        colour.setAccessibleName(f"Colour of {name}")
        colour.clicked.connect(lambda: self._ask_colour(region))
        text = NameField(name, self._state.view.region == name)
        text.setReadOnly(region.locked)
        text.editingFinished.connect(lambda: self._rename(name, text))
        text.chosen = lambda: intents.select_region.emit(name)
        hide = _switch("Hide", not region.visible, "Hide the outline")
        hide.toggled.connect(lambda on: intents.show_region.emit(name, not on))
        lock = _switch("Lock", region.locked, "Keep the region from being changed")
        lock.toggled.connect(lambda on: intents.lock_region.emit(name, on))
        remove = _button("×", "Remove the region", lambda: intents.remove_region.emit(name))
        remove.setAccessibleName(f"Remove {name}")
        made = QWidget()
        line = row(colour, spacing=theme.XS)
        line.addWidget(text, 1)
        for widget in (hide, lock, remove):
            line.addWidget(widget)
        made.setLayout(line)
        return made

    def _rename(self, name: str, field: QLineEdit) -> None:
        wanted = field.text().strip()
        if wanted and wanted != name:
            self._intents.rename_region.emit(name, wanted)
        elif not wanted:
            field.setText(name)

    def _ask_colour(self, region: Region) -> None:
        dialog = QColorDialog(QColor(region.colour), self)
        dialog.colorSelected.connect(lambda c: self._intents.recolour_region.emit(region.name, c.name()))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _show_radius(self) -> None:
        self._radius.blockSignals(True)
        self._radius.setValue(self._state.view.radius)
        self._radius.blockSignals(False)


class NameField(QLineEdit):
    """A name that looks like a label until it is edited; being clicked chooses its region."""

    def __init__(self, text: str, selected: bool) -> None:
        super().__init__(text)
        self.chosen: object = None
        self._selected = selected
        back = theme.ACCENT_DARK if selected else "transparent"
        self.setStyleSheet(f"QLineEdit {{ background: {back}; border-color: transparent; }}")

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Choose the region, then edit as usual."""
        super().mousePressEvent(event)
        if callable(self.chosen) and not self._selected:
            self.chosen()


def _button(text: str, tip: str, click: object) -> QPushButton:
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda: click() if callable(click) else None)
    return made


def _switch(text: str, on: bool, tip: str) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setCheckable(True)
    made.setChecked(on)
    made.setToolTip(tip)
    return made
