"""All networks that a file of weights may belong to, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from saliency_viewer.models.recognition import of_builtin, of_monai, of_timm, of_torchvision
from saliency_viewer.models.recognition.candidate import Candidate
from saliency_viewer.models.recognition.shapes import Shapes

# In this order, which decides between equally good ones.
_LIBRARIES: tuple[Callable[[Shapes], Iterator[Candidate]], ...] = (
    of_torchvision.candidates,
    of_builtin.candidates,
    of_monai.candidates,
)
_SHOWN = 5
_NEAR = 0.9  # beside a network that takes all weights, only others that take nearly all are of interest
_LEAST = 0.25  # of the weights; less in common is chance


def recognise(shapes: Shapes) -> tuple[Candidate, ...]:
    """Networks that the weights may belong to, at most five, those that fit best first; empty when none is near."""
    found = [candidate for library in _LIBRARIES for candidate in library(shapes)]
    if not any(candidate.complete for candidate in found):
        found += of_timm.candidates(shapes)  # it takes longest, and has torchvision's networks too
    ranked = sorted((one for one in found if one.share >= _LEAST), key=lambda one: -one.share)
    if ranked and ranked[0].complete:
        ranked = [one for one in ranked if one.share >= _NEAR]
    return tuple(ranked[:_SHOWN])
