"""Which dialog opens for which wish or fact."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from saliency_viewer.domain import RESEARCH_NOTICE
from saliency_viewer.errors import UserError
from saliency_viewer.gui.dialogs.batch import BatchDialog
from saliency_viewer.gui.dialogs.cheat_sheet import CheatSheet
from saliency_viewer.gui.dialogs.export import ExportDialog
from saliency_viewer.gui.dialogs.layers import LayerDialog
from saliency_viewer.gui.dialogs.message import MessageDialog, error_dialog
from saliency_viewer.gui.dialogs.unreadable import UnreadableDialog
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.saving import Saving
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.training.run import Training
from saliency_viewer.models import OwnCode
from saliency_viewer.session import SUFFIX, discard_recovery, load_settings, recoverable, save_settings

if TYPE_CHECKING:
    from saliency_viewer.gui.training.page import TrainingPage

_PACKAGES = "Model packages (*.zip model.toml);;All files (*)"
_COMPARISON = "Writes the grid as pictures, the raw maps, agreement and region statistics as tables, and a manifest."
_MASKS = "Masks and structures (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.png *.tif *.tiff *.bmp *.dcm);;All files (*)"


class Desk(QObject):
    """Opens dialogs; every one of them is modal to the window and none blocks its event loop."""

    def __init__(self, state: DocumentState, intents: Intents, saving: Saving, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._intents, self._saving, self._window = state, intents, saving, window
        self.training_page: TrainingPage | None = None  # made when it is first opened, and kept
        state.problem.connect(self.tell)
        intents.open_dialog.connect(self._open)
        intents.choose_model_dialog.connect(lambda kind: self._open_model(kind, intents.choose_model.emit))
        intents.save.connect(self.save)
        intents.save_as.connect(self.save_as)
        intents.export_dialog.connect(self._export)
        intents.compare_export_dialog.connect(self._export_comparison)
        intents.compare_add_dialog.connect(lambda kind: self._open_model(kind, intents.compare_add.emit))
        intents.layer_dialog.connect(lambda chosen: self._show(LayerDialog(window, state, intents, chosen)))
        intents.cheat_sheet.connect(lambda: self._show(CheatSheet(window)))
        intents.import_regions_dialog.connect(lambda: self._file("Regions", _MASKS, intents.import_regions.emit))
        intents.export_regions_dialog.connect(self._export_regions)
        intents.unreadable_dialog.connect(self._show_unreadable)
        intents.warnings_dialog.connect(self._show_warnings)

    def tell(self, error: UserError) -> None:
        """Show an error."""
        self._show(error_dialog(self._window, error))

    def first_run(self) -> None:
        """The research-use notice, once; then work that a crash left behind."""
        if load_settings().notice_accepted:
            self.offer_recovery()
            return

        def accept() -> None:
            with suppress(UserError):  # a disk that refuses: the notice comes again
                save_settings(replace(load_settings(), notice_accepted=True))
            self.offer_recovery()

        hint = "The program shows what a model did with an image. It must not be used to decide about a patient."
        self._ask("Research use only", RESEARCH_NOTICE, hint, ("I understand", accept))

    def offer_recovery(self) -> None:
        """Ask about autosaved work of a program that did not end by itself."""
        found = recoverable()
        if not found:
            return

        def discard() -> None:
            for one in found:
                discard_recovery(one)

        self._ask(
            "Recover your work?",
            "The program ended unexpectedly the last time, and your work was kept.",
            "Recovering opens each image with its regions and maps as they were at the last autosave.",
            ("Recover", lambda: self._intents.open_paths.emit([str(one.path) for one in reversed(found)])),
            ("Not now", None),
            ("Delete it", discard),
        )

    def ask_to_run_code(self, code: OwnCode) -> None:
        """A model package brings Python code: show it, and ask."""
        allow, refuse = self._intents.allow_code.emit, partial(self._intents.refuse_code.emit, code.digest)
        dialog = MessageDialog(
            self._window,
            "Run the model's own code?",
            f"This model package brings Python code of its own ({code.file}), which the program must run to use it.",
            "Code can do anything on this computer that you can do. Allow it only if you know where the package comes "
            "from. If it ever changes, you are asked again.",
            f"# {code.file}\n# sha256 {code.digest}\n\n{code.text}",
            ("Do not run it", refuse),
            ("Allow this time", lambda: allow(code.digest, False)),
            ("Always allow this file", lambda: allow(code.digest, True)),
            fold_name="Show the code",
        )
        dialog.rejected.connect(refuse)
        self._show(dialog)

    def ask_to_close(self, close: Callable[[], None]) -> None:
        """There is unsaved work; asked once, however often the window's button is pressed."""
        title = "Close without saving?"
        if self._asks(title):
            return
        self._ask(
            title,
            "There are regions or maps that were not saved.",
            "Save keeps image reference, model, maps and regions in a session file, one for each case.",
            ("Save…", self.save),
            ("Close without saving", close),
            ("Cancel", None),
        )

    def ask_to_end_training(self, end: Callable[[], None]) -> None:
        """A training runs in the background; asked once, as above."""
        title = "Stop the training?"
        if self._asks(title):
            return
        self._ask(
            title,
            "A training is still running, and it ends with the program.",
            "What was learnt up to the last finished epoch is kept: Resume, on the training's page, goes on there.",
            ("Stop it and close", end),
            ("Cancel", None),
        )

    def _asks(self, title: str) -> bool:
        return any(one.windowTitle() == title and one.isVisible() for one in self._window.findChildren(MessageDialog))

    def open_training(self, training: Training, pool: FilePool) -> None:
        """The training's page, in front."""
        if self.training_page is None:
            from saliency_viewer.gui.training.page import TrainingPage  # pyqtgraph takes a moment to load

            self.training_page = TrainingPage(training, self._intents, pool)
        self.training_page.show()
        self.training_page.activateWindow()

    def close_training(self) -> None:
        """The program ends."""
        if self.training_page is not None:
            self.training_page.close()

    def save(self) -> None:
        """Save every case with unsaved work, each in its own file, and ask for names not known yet.

        The shown case comes first; its view is saved too when nothing was done with it, if that means no question.
        """
        shown = self._state.case
        wanted = [case for case in self._state.cases if case.modified and case is not shown]
        if shown is not None and (shown.modified or shown.path is not None or not wanted):
            wanted.insert(0, shown)
        for case in wanted:
            if case.path is not None:
                self._saving.save(case.path, case)
        nameless = [case for case in wanted if case.path is None]
        if nameless or not wanted:
            self._save_each(nameless)

    def save_as(self) -> None:
        """Ask for a name for the shown case."""
        self._save_each([self._state.case] if self._state.case is not None else [])

    def _save_each(self, cases: list[Case]) -> None:
        """Ask for one name after another; who cancels is not asked for the others."""
        if not cases:
            self.tell(UserError("There is nothing to save yet.", "Open a study first."))
            return
        case, *others = cases

        def take(path: str) -> None:
            self._saving.save(Path(path), case)
            if others:
                self._save_each(others)

        one_of_several = len(self._state.cases) > 1
        title = f"Save session of {case.title}" if one_of_several else "Save session"
        self._save_name(title, f"Session (*{SUFFIX})", SUFFIX, take)

    def open_batch(self, methods: tuple[str, ...], allowed_code: Callable[[], frozenset[str]]) -> None:
        """The batch dialog, with the methods that are ticked."""
        self._show(BatchDialog(self._window, self._state.model_path, methods, allowed_code))

    def _show_unreadable(self, position: int) -> None:
        if 0 <= position < len(self._state.unreadable):
            self._show(UnreadableDialog(self._window, self._state.unreadable[position][1]))

    def _show_warnings(self) -> None:
        warnings = self._state.case.warnings if self._state.case is not None else ()
        if warnings:
            first, *others = (words[:1].upper() + words[1:] for words in warnings)
            self._ask("About this image", first, "\n\n".join(others), ("Close", None))

    def _export(self) -> None:
        if not self._state.maps:
            self.tell(UserError("There is no map to export.", "Choose a method and compute its map first."))
            return
        self._show(ExportDialog(self._window, self._intents.export.emit))

    def _export_comparison(self) -> None:
        send = self._intents.compare_export.emit
        self._show(ExportDialog(self._window, send, "Export the comparison", _COMPARISON))

    def _export_regions(self) -> None:
        self._save_name("Export regions", "NIfTI (*.nii.gz)", ".nii.gz", self._intents.export_regions.emit)

    def _open(self, kind: str) -> None:
        take = self._intents.open_paths.emit
        if kind == "folder":
            self._folder("Open a folder", lambda path: take([path]))
        else:
            self._file("Open", "All files (*)", lambda path: take([path]))

    def _open_model(self, kind: str, take: Callable[[str], None]) -> None:
        if kind == "folder":
            self._folder("Model package", take)
        else:
            self._file("Model package", _PACKAGES, take)

    def _folder(self, title: str, take: Callable[[str], None]) -> None:
        self._pick(title, QFileDialog.FileMode.Directory, "", take)

    def _file(self, title: str, kinds: str, take: Callable[[str], None]) -> None:
        self._pick(title, QFileDialog.FileMode.ExistingFile, kinds, take)

    def _pick(self, title: str, mode: QFileDialog.FileMode, kinds: str, take: Callable[[str], None]) -> None:
        dialog = QFileDialog(self._window, title)
        dialog.setFileMode(mode)
        if kinds:
            dialog.setNameFilter(kinds)
        dialog.fileSelected.connect(take)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _save_name(self, title: str, kinds: str, suffix: str, take: Callable[[str], None]) -> None:
        dialog = QFileDialog(self._window, title)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(kinds)
        dialog.fileSelected.connect(lambda path: take(path if path.endswith(suffix) else path + suffix))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _ask(self, title: str, text: str, hint: str, *choices: tuple[str, Callable[[], None] | None]) -> None:
        self._show(MessageDialog(self._window, title, text, hint, "", *choices))

    def _show(self, dialog: QDialog) -> None:
        dialog.setWindowModality(dialog.windowModality().WindowModal)
        dialog.show()
