"""From paths to cases, models and regions: everything that is read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

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
from saliency_viewer.gui.readings import Readings
from saliency_viewer.gui.restoring import Restored, restore
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.wishes import Wishes
from saliency_viewer.models import OwnCode, read_card
from saliency_viewer.spatial import Geometry

_FIRST = Preview(None, "First image", "still reading the folder")
_CHECKED = Preview(None, "Image of the session", "checking that it is the one that was saved")
_READY = "The image is ready: choose it in the list of studies."


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
        self._readings, self._wishes = Readings(state, pool), Wishes(state)
        pool.failed.connect(state.report)
        pool.idle.connect(lambda: state.set_loading(Loading()))
        intents.open_paths.connect(self.open_paths)
        intents.open_demo.connect(self.open_demo)
        intents.show_case.connect(self.show_case)
        intents.choose_model.connect(self.open_model)
        intents.import_regions.connect(self.open_regions)
        intents.stop_reading.connect(self.stop)
        self._explain_next: str | None = None  # the path whose image is to be explained; empty: any
        self._loading: list[Case] = []

    @property
    def wants_to_explain(self) -> bool:
        """Whether a computation will start as soon as what is being read is there."""
        return self._explain_next is not None

    def explain_when_ready(self) -> None:
        """Compute the first maps once there is an image and a model."""
        self._explain_next = ""
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
        self._explain_next = None
        self._wishes.clear()
        self._readings.stop()

    # Studies and their series

    def open_study(self, path: str, mask: str = "") -> None:
        """List the series of a study, the first image in sight meanwhile, and show the largest.

        ``mask`` is a file of regions to lay on it.
        """
        wish = object()

        def listed(study: Study) -> None:
            self._listed(path, study, wish, mask)
            if not is_ours(path):
                self._recent.add_study(path)

        def first(series: Series) -> None:  # in the pool's thread
            self._pool.tell(lambda: self._look_at(series, task, wish))

        self._wishes.add(wish)
        task = self._readings.start(
            "Reading the study",
            lambda context: read_study(path, context, first),
            listed,
            lambda error: self._refused(error, wish),
            lane="scan",
        )

    def _look_at(self, series: Series, task: Task, wish: object) -> None:
        """Read one image of a folder that is still being read; what cannot be read is told at the end."""

        def show(loaded: Loaded) -> None:
            if self._readings.wants(task):
                self._wishes.look(wish, replace(_FIRST, volume=loaded.volume))

        self._pool.run(lambda: load_series(series), show, failed=lambda _error: None)

    def _listed(self, path: str, study: Study, wish: object, mask: str) -> None:
        chosen = study.choose()
        cases = [
            Case(ImageReference(path, one.uid or str(one.number)), one, one.description or f"Series {one.number}")
            for one in study.series
        ]
        self._state.add_cases(cases, study.unreadable)
        case = next(case for case in cases if case.series is chosen)
        case.mask = mask
        self._wishes.turn_into(wish, case)
        if self._state.preview is not None:
            self._wishes.look(case, replace(self._state.preview, subtitle="reading its series"))
        self._load(case)

    def show_case(self, position: int) -> None:
        """Show a listed case, reading its pixels when that was not done yet."""
        if not 0 <= position < len(self._state.cases):
            return
        case = self._state.cases[position]
        if case.volume is not None:
            self._wishes.clear()
            self._state.show(position)
        else:
            self._wishes.add(case)
            self._load(case)

    def _load(self, case: Case) -> None:
        if case.series is None or case in self._loading:
            return
        self._loading.append(case)
        series, grid = case.series, case.grid
        self._readings.start(
            "Reading the image",
            lambda context: load_series(series, context, grid),
            lambda loaded: self._loaded(case, loaded),
            lambda error: self._refused(error, case),
            ended=partial(self._loading.remove, case),
        )

    def _loaded(self, case: Case, loaded: Loaded) -> None:
        volume = loaded.volume
        case.volume, case.thumbnail = volume, loaded.thumbnail
        if case.view.index == (0, 0, 0):
            place = first_place(case, volume, self._state.cases)
            case.view = replace(case.view, tool=self._state.view.tool, index=place)
        self._show(case)
        # Shown first: the digest of a large image takes seconds, and only names and files need it.
        self._pool.run(lambda: named(volume), partial(self._name, case), lane="load")
        if case.mask:
            self._read_regions(case.mask, case, volume.geometry)
            case.mask = ""
        self._try_explain()

    def _show(self, case: Case, wish: object | None = None) -> None:
        """Show a case that has come, unless the user is busy with another one by now."""
        if self._wishes.grant(wish or case):
            self._state.show(self._state.cases.index(case))
        else:
            self._state.cases_changed.emit()
            self._state.told.emit(_READY)
            if self._explain_next == case.reference.path:
                self._explain_next = None

    def _name(self, case: Case, found: Named) -> None:
        self._state.name_case(case, found.digest, found.name)

    # Models, regions, demos, sessions

    def open_model(self, path: str) -> None:
        """Read a package's card; its weights are read by the compute process only."""
        package = str(Path(path).parent) if Path(path).name == "model.toml" else path

        def show(found: tuple[ModelCard, OwnCode | None]) -> None:
            self._state.set_model(package, *found)
            if not is_ours(package):
                self._recent.add_model(package)
            self._try_explain()

        def refuse(error: UserError) -> None:
            self._explain_next = None
            self._state.report(error)

        words = "Reading the model's card"
        self._readings.start(words, lambda _: read_card(package), show, refuse, lane="quick", can_stop=False)

    def open_regions(self, path: str) -> None:
        """Read a label map on the shown image's grid; it belongs to that image, whatever is shown by then."""
        case = self._state.case
        if case is None or case.volume is None:
            self._state.report(UserError("There is no image to lay regions on.", "Open a study first."))
        else:
            self._read_regions(path, case, case.volume.geometry)

    def _read_regions(self, path: str, case: Case, geometry: Geometry) -> None:
        self._pool.run(lambda: read_regions(path, geometry), partial(self._editing.put, case), lane="load")

    def open_demo(self, kind: str) -> None:
        """Write the phantom, open it with its model and its regions, and explain it."""

        def show(folder: Path) -> None:
            study = str(folder / "study")
            self._explain_next = study
            self.open_model(str(folder / "model"))
            self.open_study(study, str(folder / "regions.nii.gz"))

        words = f"Making the {kind} demo"
        self._readings.start(words, lambda _: make_demo(kind), show, self._state.report, can_stop=False)

    def open_session(self, path: Path) -> None:
        """Reopen saved work; the image is read again from where it was."""
        wish = object()

        def show(restored: Restored) -> None:
            if is_ours(path):
                restored.case.recovery = path
            else:
                restored.case.path = path
                self._recent.add_study(str(path))
            self._restored(restored, wish)

        def seen(volume: Volume) -> None:  # in the pool's thread
            self._pool.tell(lambda: look(volume))

        def look(volume: Volume) -> None:
            if self._readings.wants(task):
                self._wishes.look(wish, replace(_CHECKED, volume=volume))

        self._wishes.add(wish)
        task = self._readings.start(
            "Reading the session",
            lambda context: restore(path, context, seen),
            show,
            lambda error: self._refused(error, wish),
            lane="scan",
        )

    def _restored(self, restored: Restored, wish: object) -> None:
        case, model = restored.case, restored.model
        self._state.add_cases([case])
        if model is not None and (self._wishes.may_show(wish) or not self._state.model_path):
            self._state.set_model(restored.model_path, *model)
        self._show(case, wish)
        if case.recovery is not None:
            self._state.touch(case)  # it is in no file of the user's

    # Helpers

    def _try_explain(self) -> None:
        case = self._state.case
        if self._explain_next is None or case is None or case.volume is None or not self._state.model_path:
            return
        if self._explain_next in ("", case.reference.path):
            self._explain_next = None
            self._intents.explain_chosen.emit()

    def _refused(self, error: UserError, wish: object) -> None:
        self._wishes.drop(wish)
        if not self._readings.busy:
            self._explain_next = None
        self._state.report(error)
