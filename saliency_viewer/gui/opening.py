"""From paths to cases, models and regions: everything that is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject

from saliency_viewer.domain import ImageReference, ModelCard, Series, Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.gui.editing import Editing
from saliency_viewer.gui.facts import Case, Loading, Preview
from saliency_viewer.gui.files import FilePool, Task
from saliency_viewer.gui.grids import first_place
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.reading import (
    Loaded,
    Named,
    is_ours,
    kind_of,
    load_series,
    make_demo,
    named,
    read_regions,
    read_study,
)
from saliency_viewer.gui.restoring import Restored, restore
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.models import OwnCode, read_card
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

Item = TypeVar("Item")
_FIRST = Preview(None, "First image", "still reading the folder")
_CHECKED = Preview(None, "Image of the session", "checking that it is the one that was saved")


class Opening(QObject):
    """Hears everything that opens something, and reads it in the pool.

    What takes long says how far it is and can be stopped; until it is done nothing that was open changes.
    """

    def __init__(
        self,
        state: DocumentState,
        intents: Intents,
        pool: FilePool,
        editing: Editing,
        recent: RecentFiles,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._intents, self._pool = state, intents, pool
        self._editing, self._recent = editing, recent
        pool.failed.connect(self._refused)
        pool.idle.connect(lambda: state.set_loading(Loading()))
        intents.open_paths.connect(self.open_paths)
        intents.open_demo.connect(self.open_demo)
        intents.show_case.connect(self.show_case)
        intents.choose_model.connect(self.open_model)
        intents.import_regions.connect(self.open_regions)
        intents.stop_reading.connect(self.stop)
        self._explain_next = False
        self._regions_next: str | None = None
        self._tasks: list[Task] = []
        self._loading: list[Case] = []

    @property
    def wants_to_explain(self) -> bool:
        """Whether a computation will start as soon as what is being read is there."""
        return self._explain_next

    def explain_when_ready(self) -> None:
        """Compute the first maps once there is an image and a model."""
        self._explain_next = True
        self._try_explain()

    def open_paths(self, paths: list[str]) -> None:
        """Studies, sessions and model packages, told apart by what they hold."""
        for path in paths:
            self._pool.run(partial(kind_of, path), partial(self._open, path))

    def _open(self, path: str, kind: str) -> None:
        if kind == "session":
            self.open_session(Path(path))
        elif kind == "model":
            self.open_model(path)
        else:
            self.open_study(path)

    def stop(self) -> None:
        """Stop reading; what was open before stays as it was."""
        for task in self._tasks:
            task.cancel()
        self._explain_next, self._regions_next = False, None
        self._state.set_preview(None)
        self._state.set_loading(Loading("Stopping") if self._tasks else Loading())

    # Studies and their series

    def open_study(self, path: str) -> None:
        """List the series of a study, the first image in sight meanwhile, and show the largest."""

        def show(study: Study) -> None:
            self._listed(path, study)
            if not is_ours(path):
                self._recent.add_study(path)

        def first(series: Series) -> None:  # in the pool's thread
            self._pool.tell(lambda: self._look_at(series, task))

        task = self._read("Reading the study", lambda context: read_study(path, context, first), show)

    def _look_at(self, series: Series, task: Task) -> None:
        """Read one image of a folder that is still being read; what cannot be read is told at the end."""

        def show(loaded: Loaded) -> None:
            if task in self._tasks and not task.cancelled:
                self._state.set_preview(replace(_FIRST, volume=loaded.volume))

        self._pool.run(lambda: load_series(series), show, failed=lambda _error: None)

    def _listed(self, path: str, study: Study) -> None:
        chosen = study.choose()
        cases = [
            Case(ImageReference(path, one.uid or str(one.number)), one, one.description or f"Series {one.number}")
            for one in study.series
        ]
        first = self._state.add_cases(cases, study.unreadable)
        if self._state.preview is not None:
            self._state.set_preview(replace(self._state.preview, subtitle="reading its series"))
        self.show_case(first + next(i for i, one in enumerate(study.series) if one is chosen))

    def show_case(self, position: int) -> None:
        """Show a listed case, reading its pixels when that was not done yet."""
        if not 0 <= position < len(self._state.cases):
            return
        case = self._state.cases[position]
        if case.volume is not None:
            self._state.set_preview(None)
            self._state.show(position)
        elif case.series is not None and case not in self._loading:
            self._loading.append(case)
            series, grid = case.series, case.grid
            ended = partial(self._loading.remove, case)
            self._read(
                "Reading the image",
                lambda context: load_series(series, context, grid),
                lambda loaded: self._loaded(case, loaded),
                ended,
            )

    def _loaded(self, case: Case, loaded: Loaded) -> None:
        volume = loaded.volume
        case.volume, case.thumbnail = volume, loaded.thumbnail
        if case.view.index == (0, 0, 0):
            place = first_place(case, volume, self._state.cases)
            case.view = replace(case.view, tool=self._state.view.tool, index=place)
        self._state.set_preview(None)
        self._state.show(self._state.cases.index(case))
        # Shown first: the digest of a large image takes seconds, and only names and files need it.
        self._pool.run(lambda: named(volume), partial(self._name, case))
        if self._regions_next is not None:
            path, self._regions_next = self._regions_next, None
            self.open_regions(path)
        self._try_explain()

    def _name(self, case: Case, found: Named) -> None:
        self._state.name_case(case, found.digest, found.name)

    # Models, regions, demos, sessions

    def open_model(self, path: str) -> None:
        """Read a package's card; its weights are read by the compute process only."""
        package = str(Path(path).parent) if Path(path).name == "model.toml" else path
        self._state.set_loading(Loading("Reading the model's card"))

        def show(found: tuple[ModelCard, OwnCode | None]) -> None:
            self._state.set_model(package, *found)
            if not is_ours(package):
                self._recent.add_model(package)
            self._try_explain()

        self._pool.run(lambda: read_card(package), show)

    def open_regions(self, path: str) -> None:
        """Read a label map on the shown image's grid; it belongs to that image, whatever is shown by then."""
        case = self._state.case
        if case is None or case.volume is None:
            self._state.report(UserError("There is no image to lay regions on.", "Open a study first."))
        else:
            self._read_regions(path, case, case.volume.geometry)

    def _read_regions(self, path: str, case: Case, geometry: Geometry) -> None:
        self._pool.run(lambda: read_regions(path, geometry), partial(self._editing.put, case))

    def open_demo(self, kind: str) -> None:
        """Write the phantom, open it with its model and its regions, and explain it."""
        self._state.set_loading(Loading(f"Making the {kind} demo"))
        self._explain_next = True

        def show(folder: Path) -> None:
            self._regions_next = str(folder / "regions.nii.gz")
            self.open_model(str(folder / "model"))
            self.open_study(str(folder / "study"))

        self._pool.run(lambda: make_demo(kind), show)

    def open_session(self, path: Path) -> None:
        """Reopen saved work; the image is read again from where it was."""

        def show(restored: Restored) -> None:
            if is_ours(path):
                restored.case.recovery = path
            else:
                restored.case.path = path
                self._recent.add_study(str(path))
            self._restored(restored)

        def seen(volume: Volume) -> None:  # in the pool's thread
            self._pool.tell(lambda: self._state.set_preview(replace(_CHECKED, volume=volume) if wanted() else None))

        def wanted() -> bool:
            return task in self._tasks and not task.cancelled

        task = self._read("Reading the session", lambda context: restore(path, context, seen), show)

    def _restored(self, restored: Restored) -> None:
        case, model = restored.case, restored.model
        if model is not None:
            self._state.set_model(restored.model_path, *model)
        position = self._state.add_cases([case])
        self._state.set_preview(None)
        self._state.show(position)
        if case.recovery is not None:
            self._state.touch(case)  # it is in no file of the user's

    # Helpers

    def _read(
        self,
        what: str,
        work: Callable[[RunContext], Item],
        done: Callable[[Item], None],
        ended: Callable[[], None] = lambda: None,
    ) -> Task:
        """Read in the pool, in words and fractions that the window shows; ``ended`` comes before any answer."""

        def over() -> None:
            self._tasks.remove(task)
            ended()

        def answer(item: Item) -> None:
            over()
            self._state.set_loading(Loading())
            done(item)

        def stopped() -> None:
            over()
            self._state.set_loading(Loading())
            self._state.told.emit("Stopped reading. What was open is unchanged.")

        def failed(error: UserError) -> None:
            over()
            self._refused(error)

        self._state.set_loading(Loading(what, None, True))
        task = self._pool.run_long(
            work,
            answer,
            progressed=lambda fraction, words: self._state.set_loading(Loading(words or what, fraction, True)),
            stopped=stopped,
            failed=failed,
        )
        self._tasks.append(task)
        return task

    def _try_explain(self) -> None:
        ready = self._state.volume is not None and self._state.model_path
        if self._explain_next and ready:
            self._explain_next = False
            self._intents.explain_chosen.emit()

    def _refused(self, error: UserError) -> None:
        self._explain_next = False
        self._state.set_preview(None)
        self._state.set_loading(Loading())
        self._state.report(error)
