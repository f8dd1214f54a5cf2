"""Preparing every image of a training, and what becomes of those that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.hashing import image_hash
from saliency_viewer.pipeline.training.ground import Ground
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.training.inputs import Inputs

_FOLDER = "inputs"
_MOST_LOST = 0.1  # of all images; more is no accident


def prepared(ground: Ground, context: RunContext) -> tuple[Ground, Inputs]:
    """All inputs, and the ground without the cases that have none.

    Raises :class:`UserError` when too many cannot be used, or a split lacks a class without them.
    """
    from saliency_viewer.training.inputs import prepare_inputs

    cases = ground.data.cases
    inputs = prepare_inputs(cases, ground.card.input, ground.work / _FOLDER, image_hash, ground.plan.threads, context)
    if not inputs.failures:
        return ground, inputs
    lost = len(inputs.failures)
    first, error = next(iter(inputs.failures.items()))
    place = f"the first is image {first + 1}: {error.message}"
    if lost > _MOST_LOST * len(cases):
        raise UserError(f"{lost} of {len(cases)} images cannot be used; {place}", error.hint, error.detail)
    noun = "image" if lost == 1 else "images"
    return ground.without(list(inputs.failures), f"{lost} {noun} of {len(cases)} cannot be used; {place}"), inputs
