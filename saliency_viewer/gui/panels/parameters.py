"""Fields for a method's parameters, built from what the parameters say about themselves."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLineEdit, QWidget

from saliency_viewer.domain import ParameterSpec
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import TickBox, label


class ParameterForm(QWidget):
    """One field for each parameter; :meth:`values` gives those that differ from their defaults.

    ``left`` is the gap before the names, ``names`` their width, so that several forms can stand in line (pixels).
    """

    def __init__(self, specs: tuple[ParameterSpec, ...], left: int = 22, names: int = 0) -> None:
        super().__init__()
        self._fields: list[tuple[ParameterSpec, QWidget]] = []
        self._hinted: set[str] = set()
        form = QFormLayout(self)
        form.setContentsMargins(left, 0, 0, theme.XS)
        form.setSpacing(theme.XS)
        for spec in specs:
            field = _field(spec)
            field.setToolTip(_tip(spec))
            field.setAccessibleName(spec.label)
            name = label(f"{spec.label} ({spec.unit})" if spec.unit else spec.label, "soft")
            name.setToolTip(_tip(spec))
            name.setMinimumWidth(names)
            form.addRow(name, field)
            self._fields.append((spec, field))

    def values(self) -> dict[str, Any]:
        """Changed parameters, checked; raises :class:`UserError` for a value out of range."""
        changed: dict[str, Any] = {}
        for spec, field in self._fields:
            text = _read(field)
            left_out = text == "" and (spec.default is None or spec.name in self._hinted)
            value = spec.default if left_out else spec.parse(text)
            if value != spec.default:
                changed[spec.name] = value
        return changed

    def hint(self, name: str, words: str) -> None:
        """Empty the field of a parameter, and say there what the default means."""
        for spec, field in self._fields:
            if spec.name == name and isinstance(field, QLineEdit):
                field.clear()
                field.setPlaceholderText(words)
                self._hinted.add(name)

    def summary(self) -> str:
        """The first two values that users care about, in a few characters; a zero says that something is off."""
        shown = [str(_read(field)) for spec, field in self._fields if not spec.advanced][:2]
        return " · ".join(value for value in shown if value not in ("", "0", "0.0"))


def _field(spec: ParameterSpec) -> QWidget:
    if spec.kind is bool:
        check = TickBox()
        check.setChecked(bool(spec.default))
        return check
    if spec.choices:
        combo = QComboBox()
        combo.addItems(list(spec.choices))
        combo.setCurrentText(str(spec.default))
        return combo
    line = QLineEdit("" if spec.default is None else f"{spec.default}")
    line.setPlaceholderText("automatic")
    return line


def _read(field: QWidget) -> object:
    if isinstance(field, QCheckBox):
        return field.isChecked()
    if isinstance(field, QComboBox):
        return field.currentText()
    return field.text().strip() if isinstance(field, QLineEdit) else ""


def _tip(spec: ParameterSpec) -> str:
    ends = [f"from {spec.minimum:g}" if spec.minimum is not None else ""]
    ends.append(f"to {spec.maximum:g}" if spec.maximum is not None else "")
    span = " ".join(word for word in ends if word)
    return f"{spec.help} ({span})" if span else spec.help
