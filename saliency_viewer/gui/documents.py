"""A case as a session file holds it."""

from __future__ import annotations

from dataclasses import replace

from saliency_viewer.domain import Volume
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.reading import named
from saliency_viewer.session import Document, window_record


def document_of(case: Case, model_path: str) -> Document:
    """What is to be kept of ``case``; ``model_path`` is the model that is chosen now."""
    result, view = case.result, case.view
    return Document(
        image=case.reference,
        image_hash=case.image_hash,
        # Of the model that made the maps: one that was only chosen since has nothing to do with them.
        model=case.plan.model if result is not None and case.plan is not None else model_path,
        model_hash=result.model_hash if result is not None else "",
        plan=case.plan,
        regions=case.regions,
        maps=result.maps if result is not None else (),
        prediction=result.prediction if result is not None else None,
        key_slices=result.slices if result is not None else (),
        view={
            "window": window_record(view.window),
            "graphics": view.graphics,
            "index": list(view.index),
            "fade": view.fade,
            "threshold": view.threshold,
            "method": view.method,
            "region": view.region,
        },
    )


def signed(document: Document, volume: Volume | None) -> Document:
    """The document with its image's digest, for who saves before that was known; in the pool, since it takes long."""
    if document.image_hash or volume is None:
        return document
    return replace(document, image_hash=named(volume).digest)
