"""The line at the bottom: what is under the mouse, what happened, what is read; and always the notice."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget

from saliency_viewer.domain import RESEARCH_NOTICE, Volume
from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.loading import LoadingBar
from saliency_viewer.gui.panels.parts import label, method_label, row
from saliency_viewer.gui.panels.units import length_unit
from saliency_viewer.gui.state import DocumentState

Index = tuple[int, int, int]


class StatusLine(QWidget):
    """Position, image value, raw saliency; news; ``entries`` of what goes on elsewhere; and always the notice."""

    def __init__(self, state: DocumentState, intents: Intents, *entries: QWidget) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(28)
        self._state, self._intents = state, intents
        self._words = label("", "soft")
        self._list = 0  # of the files that the words speak of
        self.more = QPushButton("Which and why…")
        self.more.setObjectName("mutedButton")
        self.more.clicked.connect(lambda: intents.unreadable_dialog.emit(self._list))
        self.more.hide()
        line = row(LoadingBar(state, intents), self._words, self.more, None, *entries, label(RESEARCH_NOTICE, "notice"))
        line.setContentsMargins(theme.L, 0, theme.L, 0)
        self.setLayout(line)
        state.probe_changed.connect(self.show_probe)
        state.told.connect(self._say)
        state.unreadable_found.connect(self._tell_unreadable)
        state.volume_changed.connect(self._forget)
        state.loading_changed.connect(self._begin)

    @property
    def text(self) -> str:
        """What is written at the left."""
        return self._words.text()

    def show_probe(self, index: Index | None) -> None:
        """Write what is at ``index``; nothing outside the image."""
        volume, amap = self._state.volume, self._state.amap
        if index is None or volume is None:
            self._say("")
            return
        words = [place_words(volume, index), value_words(volume, index)]
        if amap is not None:
            raw = float(amap.array[index])
            words.append(f"{method_label(amap.method)} {raw:.3g}" if np.isfinite(raw) else "not seen by the model")
        self._say("     ".join(words))

    def _say(self, words: str) -> None:
        self.more.hide()
        self._words.setText(words)

    def _forget(self) -> None:
        """What was probed or told is over, but which files could not be read is still to be told."""
        if self.more.isHidden():
            self._say("")

    def _begin(self) -> None:
        """News of the last reading end where the next one begins."""
        if self._state.loading.can_stop:
            self._forget()

    def _tell_unreadable(self, position: int) -> None:
        self._say(unreadable_words(len(self._state.unreadable[position][1])))
        self._list = position
        self.more.show()


def unreadable_words(count: int) -> str:
    """``3 files could not be read``."""
    return f"{count} {'file' if count == 1 else 'files'} could not be read"


def place_words(volume: Volume, index: Index) -> str:
    """Where a voxel is: patient millimetres, millimetres in the picture at the detector, or pixels."""
    geometry = volume.geometry
    frame = f"frame {index[0] + 1}   " if geometry.shape[0] > 1 and not volume.is_stack else ""
    if geometry.calibration == "none":
        place = f"slice {index[0] + 1}   " if volume.is_stack else frame
        return f"{place}x {index[2]} y {index[1]} {length_unit(geometry)}"
    if geometry.calibration == "detector" or not (geometry.oriented or volume.is_stack):
        down, right = (index[axis] * geometry.spacing[axis] for axis in (1, 2))
        return f"{frame}x {right:.1f} y {down:.1f} {length_unit(geometry)}"
    place_mm = np.asarray(geometry.to_patient(index), dtype=float).reshape(-1)
    where = " ".join(f"{name} {value:.1f}" for name, value in zip("xyz", place_mm, strict=True))
    return f"{where} {length_unit(geometry)}"


def value_words(volume: Volume, index: Index) -> str:
    """The modality value with its unit, or red, green and blue; padding is called so."""
    if volume.colour is not None:
        return "colour " + " ".join(str(int(part)) for part in volume.colour[index])
    value = volume.array[index]
    number = f"{int(value)}" if np.issubdtype(volume.array.dtype, np.integer) else f"{float(value):.4g}"
    outside = volume.padding is not None and volume.padding[0] <= value <= volume.padding[1]
    return " ".join(word for word in ("value", number, volume.units, "(padding)" if outside else "") if word)
