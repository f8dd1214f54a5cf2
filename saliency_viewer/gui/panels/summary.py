"""The free cell of the grid: the chosen map in words."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QVBoxLayout

from saliency_viewer.domain import AttributionMap
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import badge, badge_words, clear, label, method_label, row
from saliency_viewer.gui.state import DocumentState

_EMPTY = "Press Explain to see where the model's answer comes from."


class SummaryCell(QFrame):
    """How the chosen map came about, and how far it can be believed."""

    def __init__(self, state: DocumentState) -> None:
        super().__init__()
        self.setObjectName("summaryCell")
        self._state = state
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(theme.L, theme.L, theme.L, theme.L)
        self._column.setSpacing(theme.S)
        for fact in (state.map_changed, state.result_changed, state.volume_changed):
            fact.connect(self.refresh)
        self.hide()

    def refresh(self) -> None:
        """Read the state."""
        clear(self._column)
        amap = self._state.amap
        if amap is None:
            self._column.addWidget(label(_EMPTY, "soft", wraps=True))
            self._column.addStretch(1)
            return
        mark = badge(badge_words(amap), amap.validity.badge, amap.validity.text)
        title = label(method_label(amap.method), "appName")
        self._column.addLayout(row(title, mark, None))
        for name, value in facts(amap):
            head = label(name, "muted")
            head.setFixedWidth(96)
            line = row(head)
            line.addWidget(label(value, "soft", wraps=True), 1)
            self._column.addLayout(line)
        self._column.addStretch(1)


def facts(amap: AttributionMap) -> list[tuple[str, str]]:
    """Name and value of what is known about a map, in reading order."""
    made = amap.provenance
    target = f"{amap.target}, probability {amap.probability:.2f}"
    found = [("Target", target if amap.target_is_predicted else f"{target} (NOT the predicted class)")]
    found.extend(about_method(amap.method))
    found.append(("Layer", made.layer or ""))
    found.append(("Baseline", made.baseline or "" if amap.residual is not None else ""))
    found.append(("Parameters", ", ".join(f"{key} {value}" for key, value in made.parameters.items())))
    found.append(("Residual", "" if amap.residual is None else f"{100 * abs(amap.residual):.2g} %"))
    found.append(("Validity", amap.validity.text))
    found.append(("Model", " ".join(word for word in (made.model_name, made.model_version) if word)))
    found.append(("Computed", f"{made.device}, {made.threads} threads, seed {made.seed}, {_time(made.seconds)}"))
    found.append(("Evidence", "none: the map is empty" if amap.is_empty() else ""))
    return [(name, value) for name, value in found if value]


def _time(seconds: float) -> str:
    return f"{seconds:.1f}\N{NO-BREAK SPACE}s" if seconds >= 0.05 else "under 0.1 s"


def about_method(name: str) -> list[tuple[str, str]]:
    """What the method is and where it was published; nothing for a map of unknown making."""
    from saliency_viewer.attribution import METHODS

    known = [one for one in METHODS if one.id == name]
    return [pair for one in known for pair in (("Method", one.summary), ("Reference", one.reference))]
