"""What a run needs from outside, opened once and kept: studies, volumes and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from saliency_viewer.domain import ImageReference, ModelCard, Study, Volume
from saliency_viewer.pipeline.hashing import image_hash
from saliency_viewer.readers import stamp
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.models import CaseLists, Classifier

Item = TypeVar("Item")


class _Recent(Generic[Item]):
    """A few of the most recently used items."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, Item] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        if key not in self._items:
            self._items[key] = make()
        self._items.move_to_end(key)
        while len(self._items) > self._size:
            self._items.popitem(last=False)
        return self._items[key]


@dataclass(frozen=True)
class LoadedImage:
    """A decoded volume with its digest, what the study said about it, and the patient's ID in the file."""

    volume: Volume
    digest: str
    warnings: tuple[str, ...]
    patient: str = field(default="", repr=False)


class Services:
    """Caches of opened studies, decoded volumes and loaded models.

    ``trust_code`` allows model packages to run the Python file they bring: every one, or those with these
    SHA-256 digests. Keys hold the files' time and size, so a file that changed on disk is read again.
    """

    def __init__(self, trust_code: bool | frozenset[str] = False, volumes: int = 2, models: int = 2) -> None:
        self.trust_code = trust_code
        self._studies: _Recent[Study] = _Recent(8)
        self._volumes: _Recent[LoadedImage] = _Recent(volumes)
        self._models: _Recent[Classifier] = _Recent(models)
        self._cards: _Recent[ModelCard] = _Recent(8)
        self._lists: _Recent[CaseLists] = _Recent(8)

    def study(self, path: str, context: RunContext | None = None) -> Study:
        """The study at ``path``; raises :class:`UserError` when nothing there can be read."""
        from saliency_viewer.readers import open_study

        return self._studies.get((path, stamp(path)), lambda: open_study(Path(path), context))

    def image(self, reference: ImageReference, context: RunContext | None = None) -> LoadedImage:
        """The chosen series' volume on the chosen grid."""
        context = context or RunContext()
        study = self.study(reference.path, context.part(0.0, 0.2))
        series = study.choose(reference.series)
        grid = reference.grid if reference.grid in series.grids else series.grids[0]

        def load() -> LoadedImage:
            volume = series.load(context.part(0.2, 1.0), grid)
            warnings = tuple(dict.fromkeys((*series.warnings, *volume.warnings)))
            return LoadedImage(volume, image_hash(volume), warnings, series.identity.patient_id)

        return self._volumes.get((reference.path, stamp(reference.path), series.uid, series.number, grid), load)

    def card(self, path: str) -> ModelCard:
        """What a model package says of itself."""
        from saliency_viewer.models import read_card

        return self._cards.get((path, stamp(path)), lambda: read_card(Path(path))[0])

    def case_lists(self, path: str) -> CaseLists:
        """Which cases a package's networks were trained on."""
        from saliency_viewer.models import read_case_lists

        return self._lists.get((path, stamp(path)), lambda: read_case_lists(Path(path), self.card(path)))

    def classifier(self, path: str, device: str = "cpu", fold: str = "") -> Classifier:
        """The model of a package, ready on ``device``; of an ensemble one ``fold``, or all of them."""
        from saliency_viewer.models import load_package

        return self._models.get(
            (path, stamp(path), device, self.trust_code, fold),
            lambda: load_package(Path(path), trust_code=self.trust_code, device=device, fold=fold),
        )
