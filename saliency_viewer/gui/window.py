"""The main window: puts the parts together and holds no state of its own."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.actions import make_actions
from saliency_viewer.gui.analysis import Analysis
from saliency_viewer.gui.autosaving import Autosaving
from saliency_viewer.gui.cine import Cine
from saliency_viewer.gui.comparing.controller import Comparing
from saliency_viewer.gui.comparing.page import ComparePage
from saliency_viewer.gui.consent import Consent
from saliency_viewer.gui.desk import Desk
from saliency_viewer.gui.dialogs.batch import BatchDialog
from saliency_viewer.gui.editing import Editing
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.grids import Grids
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import LayoutMemory, RecentFiles
from saliency_viewer.gui.new_model.making import Making
from saliency_viewer.gui.opening import Opening
from saliency_viewer.gui.panels.bars import BottomBar, TopBar
from saliency_viewer.gui.panels.evidence import EvidencePanel
from saliency_viewer.gui.panels.methods import MethodsPanel
from saliency_viewer.gui.panels.model import ModelPanel
from saliency_viewer.gui.panels.notices import NoticeLine
from saliency_viewer.gui.panels.preview import PreviewPage
from saliency_viewer.gui.panels.regions import RegionsPanel
from saliency_viewer.gui.panels.start import StartPage
from saliency_viewer.gui.panels.status import StatusLine
from saliency_viewer.gui.panels.studies import StudiesPanel
from saliency_viewer.gui.preparing import Preparing
from saliency_viewer.gui.reading import warm_up
from saliency_viewer.gui.saving import Saving
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.training.entry import TrainingEntry
from saliency_viewer.gui.training.run import Training
from saliency_viewer.gui.viewports import ViewGrid
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.session import Autosave

_SIZE = (1600, 1000)
_RIGHT_WIDTH = 404


class MainWindow(QMainWindow):
    """Assembles state, controllers and panels.

    ``worker`` and ``autosave`` can be given for tests; the worker is started by :meth:`start`.
    """

    def __init__(self, worker: ComputeWorker | None = None, autosave: Autosave | None = None) -> None:
        super().__init__()
        self.setWindowTitle("Saliency Viewer[*]")
        self.resize(*_SIZE)
        self.setAcceptDrops(True)
        self.state, self.intents = DocumentState(self), Intents(self)
        self.pool = FilePool(self)
        self.worker = worker or ComputeWorker()
        self.worker.setParent(self)
        self.editing = Editing(self.state, self.intents, self)
        self.recent = RecentFiles(self.intents, self.pool, self)
        self.opening = Opening(self.state, self.intents, self.pool, self.editing, self.recent, self)
        self.grids = Grids(self.state, self.intents, self)
        self.cine = Cine(self.state, self.intents, self)
        self.consent = Consent(self.intents, self)
        self.preparing = Preparing(self.state, self.worker, self.consent, self)
        self.analysis = Analysis(self.state, self.intents, self.worker, self.pool, self.consent, self)
        self.comparing = Comparing(
            self.state,
            self.intents,
            self.worker,
            self.pool,
            self.consent,
            self.recent,
            lambda: self.methods.wish(),
            self,
        )
        self.saving = Saving(self.state, self.intents, self.pool, self)
        self.autosaving = Autosaving(self.state, self.pool, autosave or Autosave(), self)
        self.training = Training(self)
        self.desk = Desk(self.state, self.intents, self.saving, self)
        self.making = Making(self.state, self.intents, self.worker, self)
        self.actions_by_id = make_actions(self, self.intents)
        self._whole = self._assemble()
        self.setCentralWidget(self._whole)
        self.layout_memory = LayoutMemory(self, self.methods)
        self.consent.wanted.connect(self.desk.ask_to_run_code)
        self.intents.batch_dialog.connect(self._open_batch)
        self.intents.training_page.connect(lambda: self.desk.open_training(self.training, self.pool))
        self.intents.close.connect(self.close)
        self.state.saved_changed.connect(lambda: self.setWindowModified(self.state.modified))
        facts = (self.state.volume_changed, self.state.preview_changed, self.comparing.state.shown_changed)
        for fact in facts:
            fact.connect(self._show_page)
        self._show_page()

    def start(self) -> None:
        """Start the compute process; it and the file pool import what they need while the user looks round."""
        self._whole.setFocus()  # else the first button would look chosen
        self.worker.start()
        self.pool.run(warm_up, lambda _: None)

    @property
    def busy(self) -> bool:
        """Whether anything asked for is still being read, computed or measured."""
        return self.pool.busy or self.analysis.busy or self.comparing.busy or self.opening.wants_to_explain

    def _assemble(self) -> QWidget:
        whole = QWidget()
        whole.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        self.studies = StudiesPanel(self.state, self.intents)
        middle.addWidget(self.studies)
        middle.addWidget(self._centre(), 1)
        middle.addWidget(self._right())
        column.addWidget(TopBar(self.state, self.intents, self.recent, self.actions_by_id))
        column.addLayout(middle, 1)
        self.status = StatusLine(self.state, self.intents, TrainingEntry(self.training, self.intents))
        column.addWidget(self.status)
        return whole

    def _centre(self) -> QWidget:
        self.viewports = ViewGrid(self.state, self.intents)
        images = QWidget()
        column = QVBoxLayout(images)
        column.setContentsMargins(theme.S - 2, theme.S - 2, theme.S - 2, theme.S - 2)
        column.setSpacing(theme.S - 2)
        column.addWidget(self.viewports, 1)
        self.notices = NoticeLine(self.state, self.intents)
        column.addWidget(self.notices)
        self.bottom = BottomBar(self.state, self.intents)
        column.addWidget(self.bottom)
        self._pages = QStackedWidget()
        self._pages.setObjectName("centre")
        self._pages.addWidget(StartPage(self.state, self.intents, self.recent))
        self._pages.addWidget(images)
        self.preview = PreviewPage(self.state)
        self._pages.addWidget(self.preview)
        self.compare = ComparePage(self.state, self.comparing.state, self.intents, self.recent)
        self._pages.addWidget(self.compare)
        return self._pages

    def _right(self) -> QWidget:
        area = QScrollArea()
        area.setObjectName("rightPanel")
        area.setWidgetResizable(True)
        area.setFixedWidth(_RIGHT_WIDTH)
        area.setHorizontalScrollBarPolicy(area.horizontalScrollBarPolicy().ScrollBarAlwaysOff)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(theme.M, theme.M, theme.M, theme.M)
        column.setSpacing(theme.S + 2)
        self.model = ModelPanel(self.state, self.intents, self.recent)
        self.methods = MethodsPanel(self.state, self.intents)
        self.regions = RegionsPanel(self.state, self.intents)
        self.evidence = EvidencePanel(self.state, self.intents)
        for panel in (self.model, self.methods, self.evidence, self.regions):
            column.addWidget(panel)
        column.addStretch(1)
        area.setWidget(inside)
        return area

    def _open_batch(self) -> None:
        self.desk.open_batch(self.methods.ticked, lambda: self.consent.digests(self.state.model_code))

    def _show_page(self) -> None:
        """What is on the way, else the comparison when it is wanted, else the images, else how to begin."""
        comparing = self.comparing.state.shown
        image = 1 if self.state.volume is not None else 0
        self._pages.setCurrentIndex(2 if self.state.preview is not None else 3 if comparing else image)
        self.actions_by_id["compare"].setChecked(comparing)
        self.actions_by_id["images"].setEnabled(comparing)

    # Qt's events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files are welcome."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Open what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.intents.open_paths.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask about unsaved work and a training that runs; else end thread, pool and process."""
        if self.state.modified:
            event.ignore()
            self.desk.ask_to_close(self.close_anyway)
            return
        if self.training.run.running:
            event.ignore()
            self.desk.ask_to_end_training(self._end_training)
            return
        self.layout_memory.keep()
        self.hide()  # first: what is being written may take seconds, and nobody should look at a window that is stuck
        self.end()
        event.accept()

    def close_anyway(self) -> None:
        """Close without saving."""
        self.state.forget_changes()
        QTimer.singleShot(0, self.close)

    def _end_training(self) -> None:
        self.training.end_now()
        QTimer.singleShot(0, self.close)

    def end(self) -> None:
        """Stop everything that runs beside the window."""
        for dialog in self.findChildren(BatchDialog):
            dialog.end_now()
        self.training.end_now()
        self.desk.close_training()
        self.cine.stop()
        self.pool.close()
        self.autosaving.forget()
        self.worker.close()
