"""From paths to cases, models and regions: everything that is read."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

import saliency_viewer
from saliency_viewer.domain import (
    AnalysisResult,
    ImageReference,
    ModelCard,
    Prediction,
    RegionSet,
    Series,
    Study,
    Volume,
)
from saliency_viewer.errors import UserError
from saliency_viewer.gui.editing import Editing
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.state import Case, DocumentState, View
from saliency_viewer.models import CARD_NAME, OwnCode, is_package, read_card
from saliency_viewer.regions import RegionEditor
from saliency_viewer.runtime.files import write_text
from saliency_viewer.runtime.folders import state_folder
from saliency_viewer.session import SUFFIX, Document, load_session
from saliency_viewer.spatial import Geometry

_THUMBNAIL = 52  # pixels
_REGION_WORDS = ("regions", "mask", "seg", "label")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A decoded image with what the list shows of it."""

    volume: Volume
    digest: str
    name: str
    thumbnail: NDArray[np.uint8]


# The readers are imported where they are called, in the pool: importing pydicom takes half a second.


def warm_up() -> None:
    """Import the readers before anybody asks for them."""
    importlib.import_module("saliency_viewer.readers")


def read_study(path: str) -> Study:
    """The study at ``path``. Raises :class:`UserError`."""
    from saliency_viewer.readers import open_study

    return open_study(Path(path))


def read_regions(path: str, geometry: Geometry) -> RegionSet:
    """A label map laid on ``geometry``. Raises :class:`UserError`."""
    from saliency_viewer.readers import load_regions

    return load_regions(Path(path), geometry)


def kind_of(path: str) -> str:
    """``session``, ``model`` (a folder, model.toml or zip) or ``study``, by name and content."""
    place = Path(path)
    if path.endswith(SUFFIX):
        return "session"
    if place.suffix.lower() == ".zip" or place.name == CARD_NAME or (place / CARD_NAME).exists():
        return "model" if is_package(place) else "study"
    return "study"


def load_series(series: Series) -> Loaded:
    """Decode one series. Raises :class:`UserError`."""
    from saliency_viewer.exporters import case_identifier
    from saliency_viewer.pipeline import image_hash

    volume = series.load()
    digest = image_hash(volume)
    return Loaded(volume, digest, _spoken(case_identifier(digest)), thumbnail(volume))


def thumbnail(volume: Volume) -> NDArray[np.uint8]:
    """The middle slice, small and square: (row, column) uint8."""
    from saliency_viewer.render import to_grey

    middle = volume.array[volume.array.shape[0] // 2]
    step = max(1, min(middle.shape) // (2 * _THUMBNAIL))
    grey = to_grey(np.ascontiguousarray(middle[::step, ::step]), volume.default_window())
    side = min(grey.shape)
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    return np.ascontiguousarray(grey[top : top + side, left : left + side])


def make_demo(kind: str) -> Path:
    """Write the demo's files into the user's state folder, once for each version; returns the folder of ``kind``."""
    from saliency_viewer.pipeline import write_demo

    folder = _demo_folder()
    marker = folder / "complete"
    if not marker.exists():
        write_demo(folder)
        write_text(marker, "")
    return folder / kind


def _demo_folder() -> Path:
    return state_folder() / f"demo-{saliency_viewer.__version__}"


def _is_ours(path: str | Path) -> bool:
    """Demos and autosaves are no files of the user's."""
    return Path(path).absolute().is_relative_to(state_folder())


def _spoken(identifier: str) -> str:
    return identifier.replace("case-", "Case ", 1)


class Opening(QObject):
    """Hears everything that opens something, and reads it in the pool."""

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
        pool.idle.connect(lambda: state.set_loading(""))
        intents.open_paths.connect(self.open_paths)
        intents.open_demo.connect(self.open_demo)
        intents.show_case.connect(self.show_case)
        intents.choose_model.connect(self.open_model)
        intents.import_regions.connect(self.open_regions)
        self._explain_next = False
        self._regions_next: str | None = None

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

    def open_study(self, path: str) -> None:
        """List the series of a study and show the largest."""
        self._state.set_loading("Reading the study")

        def show(study: Study) -> None:
            self._listed(path, study)
            if not _is_ours(path):
                self._recent.add_study(path)

        self._pool.run(lambda: read_study(path), show)

    def _listed(self, path: str, study: Study) -> None:
        chosen = study.choose()
        series = study.series
        cases = [
            Case(ImageReference(path, one.uid or str(one.number)), one, one.description or f"Series {one.number}")
            for one in series
        ]
        first = self._state.add_cases(cases)
        if study.unreadable:
            self._state.told.emit(f"{len(study.unreadable)} files could not be read.")
        self.show_case(first + next(i for i, one in enumerate(series) if one is chosen))

    def show_case(self, position: int) -> None:
        """Show a listed case, reading its pixels when that was not done yet."""
        if not 0 <= position < len(self._state.cases):
            return
        case = self._state.cases[position]
        if case.volume is not None:
            self._state.show(position)
        elif case.series is not None:
            series = case.series
            self._state.set_loading("Reading the image")
            self._pool.run(lambda: load_series(series), lambda loaded: self._loaded(position, loaded))

    def _loaded(self, position: int, loaded: Loaded) -> None:
        case = self._state.cases[position]
        case.volume, case.image_hash = loaded.volume, loaded.digest
        case.name, case.thumbnail = loaded.name, loaded.thumbnail
        if case.view.index == (0, 0, 0):
            shape = loaded.volume.geometry.shape
            case.view = View(tool=self._state.view.tool, index=(shape[0] // 2, shape[1] // 2, shape[2] // 2))
        self._state.show(position)
        if self._regions_next is not None:
            path, self._regions_next = self._regions_next, None
            self.open_regions(path)
        self._try_explain()

    def open_model(self, path: str) -> None:
        """Read a package's card; its weights are read by the compute process only."""
        package = str(Path(path).parent) if Path(path).name == "model.toml" else path
        self._state.set_loading("Reading the model's card")

        def show(found: tuple[ModelCard, OwnCode | None]) -> None:
            self._state.set_model(package, *found)
            if not _is_ours(package):
                self._recent.add_model(package)
            self._try_explain()

        self._pool.run(lambda: read_card(package), show)

    def open_regions(self, path: str) -> None:
        """Read a label map on the shown image's grid."""
        volume = self._state.volume
        if volume is None:
            self._state.report(UserError("There is no image to lay regions on.", "Open a study first."))
            return
        geometry = volume.geometry
        self._pool.run(lambda: read_regions(path, geometry), self._editing.put)

    def open_demo(self, kind: str) -> None:
        """Write the phantom, open it with its model and its regions, and explain it."""
        self._state.set_loading(f"Making the {kind} demo")
        self._explain_next = True

        def show(folder: Path) -> None:
            self._regions_next = str(folder / "regions.nii.gz")
            self.open_model(str(folder / "model"))
            self.open_study(str(folder / "study"))

        self._pool.run(lambda: make_demo(kind), show)

    def open_session(self, path: Path) -> None:
        """Reopen saved work; the image is read again from where it was."""
        self._state.set_loading("Reading the session")

        def show(restored: Restored) -> None:
            self._restored(restored)
            if not _is_ours(path):
                self._recent.add_study(str(path))

        self._pool.run(lambda: _restore(path), show)

    def _restored(self, restored: Restored) -> None:
        case, model = restored.case, restored.model
        if model is not None:
            self._state.set_model(restored.model_path, *model)
        position = self._state.add_cases([case])
        self._state.show(position)
        self._state.touch(False)

    def _try_explain(self) -> None:
        ready = self._state.volume is not None and self._state.model_path
        if self._explain_next and ready:
            self._explain_next = False
            self._intents.explain_chosen.emit()

    def _refused(self, error: UserError) -> None:
        self._explain_next = False
        self._state.set_loading("")
        self._state.report(error)


@dataclass(frozen=True, eq=False)
class Restored:
    """What a session file brought back; ``model`` is the package's card and code."""

    case: Case
    model_path: str
    model: tuple[ModelCard, OwnCode | None] | None


def _restore(path: Path) -> Restored:
    document = load_session(path)
    if document.image is None:
        raise UserError("This session holds no image.", "Open the study itself.")
    model = read_card(document.model) if document.model else None
    series = read_study(document.image.path).choose(document.image.series)
    loaded = load_series(series)
    if document.image_hash and document.image_hash != loaded.digest:
        raise UserError(
            "The image has changed since the session was saved, so its regions and maps may not fit.",
            "Put the original image back, or open the study anew.",
        )
    case = Case(document.image, series, loaded.name, loaded.volume, loaded.digest, loaded.thumbnail)
    regions: RegionSet | None = document.regions
    case.editor = RegionEditor(regions) if regions is not None else None
    case.plan = document.plan
    case.result = _result(document, loaded, model[0] if model else None, document.prediction)
    case.view = view_from(document.view, loaded.volume)
    return Restored(case, document.model, model)


def _result(
    document: Document, loaded: Loaded, card: ModelCard | None, prediction: Prediction | None
) -> AnalysisResult | None:
    if prediction is None or card is None:
        return None
    return AnalysisResult(
        loaded.volume,
        prediction,
        document.maps,
        card,
        document.model_hash,
        loaded.digest,
        document.key_slices,
    )


def view_from(stored: Any, volume: Volume) -> View:
    """The stored settings that still make sense for this image."""
    shape = volume.geometry.shape
    index = stored.get("index")
    fits = isinstance(index, list) and len(index) == 3 and all(0 <= i < n for i, n in zip(index, shape, strict=True))
    place = (int(index[0]), int(index[1]), int(index[2])) if fits else (shape[0] // 2, shape[1] // 2, shape[2] // 2)
    fade, threshold = float(stored.get("fade", 0.5)), float(stored.get("threshold", 0.0))
    return View(
        index=place,
        fade=min(max(fade, 0.0), 1.0),
        threshold=min(max(threshold, 0.0), 1.0),
        method=stored.get("method"),
        region=stored.get("region"),
    )
