"""One case's image, as every other part of the program reads it."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.domain import ImageReference, Volume
from saliency_viewer.runtime.context import RunContext


def read_image(reference: ImageReference, context: RunContext | None = None) -> Volume:
    """Read and decode it; raises :class:`UserError` when that is impossible."""
    from saliency_viewer.readers import open_study

    study = open_study(Path(reference.path), context)
    return study.choose(reference.series).load(context, reference.grid or None)
