"""From a session file back to a case: what was saved, laid on the image it was made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saliency_viewer.domain import AnalysisResult, ModelCard, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Case, View
from saliency_viewer.gui.reading import load_series, named, read_study
from saliency_viewer.models import OwnCode, read_card
from saliency_viewer.pipeline.folds import training_warning
from saliency_viewer.regions import RegionEditor
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.session import Document, load_session, window_from

_SCANNED, _READ = 0.3, 0.9  # rough shares of the time


@dataclass(frozen=True, eq=False)
class Restored:
    """What a session file brought back; ``model`` is the package's card and code."""

    case: Case
    model_path: str
    model: tuple[ModelCard, OwnCode | None] | None


def restore(path: Path, context: RunContext, seen: Callable[[Volume], None]) -> Restored:
    """Read a session and its image again; ``seen`` gets the image before it is known to be the one that was saved.

    Raises :class:`UserError` for a damaged session, an image that has gone, or one that has changed.
    """
    document = load_session(path)
    reference = document.image
    if reference is None:
        raise UserError("This session holds no image.", "Open the study itself.")
    model = read_card(document.model) if document.model else None
    series = read_study(reference.path, context.part(0.0, _SCANNED)).choose(reference.series)
    loaded = load_series(series, context.part(_SCANNED, _READ), reference.grid or None)
    seen(loaded.volume)
    context.report(_READ, "Checking that it is the same image")
    found = named(loaded.volume)
    if document.image_hash and document.image_hash != found.digest:
        raise UserError(
            "The image has changed since the session was saved, so its regions and maps may not fit.",
            "Put the original image back, or open the study anew.",
        )
    _check_grids(document, loaded.volume)
    case = Case(reference, series, found.name, loaded.volume, found.digest, loaded.thumbnail)
    case.editor = RegionEditor(document.regions) if document.regions is not None else None
    case.plan = document.plan
    case.result = _result(document, loaded.volume, model[0] if model else None, found.digest)
    case.view = view_from(document.view, loaded.volume)
    return Restored(case, document.model, model)


def _check_grids(document: Document, volume: Volume) -> None:
    """Regions and maps of another size than the image could not even be drawn."""
    grids = [amap.geometry for amap in document.maps]
    if document.regions is not None:
        grids.append(document.regions.geometry)
    if any(grid.shape != volume.geometry.shape for grid in grids):
        raise UserError(
            "The session is damaged: its regions or maps do not have the size of its image.",
            "Open the study anew, or an older copy of the session.",
        )


def _result(document: Document, volume: Volume, card: ModelCard | None, digest: str) -> AnalysisResult | None:
    if document.prediction is None or card is None:
        return None
    made = document.maps[0].provenance if document.maps else None
    known = made is not None and made.is_training_case
    fold = made.fold if made is not None else ""
    return AnalysisResult(
        volume,
        document.prediction,
        document.maps,
        card,
        document.model_hash,
        digest,
        document.key_slices,
        warnings=(*([training_warning(fold)] if known else []), *document.prediction.warnings),
        fold=fold,
        is_training_case=known,
    )


def view_from(stored: Mapping[str, Any], volume: Volume) -> View:
    """The stored settings that make sense for this image; of what does not, the usual ones."""
    usual = View()
    return View(
        index=_place(stored.get("index"), volume.geometry.shape),
        fade=_share(stored.get("fade"), usual.fade),
        threshold=_share(stored.get("threshold"), usual.threshold),
        method=_name(stored.get("method")),
        region=_name(stored.get("region")),
        window=window_from(stored.get("window")),
        graphics=bool(stored.get("graphics", True)),
    )


def _place(value: Any, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """A stored index if it lies in the image, else the middle."""
    known = isinstance(value, list) and len(value) == 3 and all(isinstance(i, int) for i in value)
    if known and all(0 <= i < n for i, n in zip(value, shape, strict=True)):
        return value[0], value[1], value[2]
    return shape[0] // 2, shape[1] // 2, shape[2] // 2


def _share(value: Any, usual: float) -> float:
    """A number as a share of 0..1."""
    if not isinstance(value, (int, float)) or value != value:  # NaN is not itself
        return usual
    return float(min(max(value, 0), 1))


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
