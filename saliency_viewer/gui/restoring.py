"""From a session file back to a case: what was saved, laid on the image it was made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saliency_viewer.domain import AnalysisResult, ModelCard, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Case, View
from saliency_viewer.gui.reading import load_series, named, read_study
from saliency_viewer.models import OwnCode, read_card
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
    case = Case(reference, series, found.name, loaded.volume, found.digest, loaded.thumbnail)
    case.editor = RegionEditor(document.regions) if document.regions is not None else None
    case.plan = document.plan
    case.result = _result(document, loaded.volume, model[0] if model else None, found.digest)
    case.view = view_from(document.view, loaded.volume)
    return Restored(case, document.model, model)


def _result(document: Document, volume: Volume, card: ModelCard | None, digest: str) -> AnalysisResult | None:
    if document.prediction is None or card is None:
        return None
    return AnalysisResult(
        volume, document.prediction, document.maps, card, document.model_hash, digest, document.key_slices
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
        window=window_from(stored.get("window")),
        graphics=bool(stored.get("graphics", True)),
    )
