"""Telling torchvision's own ImageNet weights of Inception and GoogLeNet, which want their input rescaled inside.

torchvision sets ``transform_input`` whenever one of these networks is made with its own weights (``inception_v3`` and
``googlenet`` of torchvision.models), and the weights do not show it: they learnt from TensorFlow's normalisation. Its
files bear the first digits of their SHA-256 in their names, so an unchanged one is told by its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from saliency_viewer.models.architectures.of_torchvision import AUXILIARY
from saliency_viewer.models.recognition.candidate import Candidate

TRANSFORM_INPUT = "transform_input"
_COLOURS = 3
_OWN = (
    "The file is torchvision's own ImageNet weights, so transform_input = true is written: torchvision then changes "
    "the normalisation inside the network."
)
_UNKNOWN = (
    "If its training began with torchvision's own ImageNet weights, add the argument transform_input = true: "
    "torchvision then changes the normalisation inside the network, which the weights do not show."
)


def is_open(candidate: Candidate) -> bool:
    """Whether the network can rescale its input, and the file does not tell whether it should."""
    known = TRANSFORM_INPUT in candidate.arguments
    return _rescaling(candidate) in AUXILIARY and candidate.channels == _COLOURS and not known


def with_rescaling(candidates: Iterable[Candidate], content: bytes) -> Iterator[Candidate]:
    """The candidates for the checkpoint ``content``, with ``transform_input`` where its bytes are torchvision's own.

    The others that might want it say so in a note.
    """
    for candidate in candidates:
        if not is_open(candidate):
            yield candidate
        elif hashlib.sha256(content).hexdigest().startswith(_digests(_rescaling(candidate))):
            arguments = {**candidate.arguments, TRANSFORM_INPUT: True}
            yield replace(candidate, arguments=arguments, notes=(*candidate.notes, _OWN))
        else:
            yield replace(candidate, notes=(*candidate.notes, _UNKNOWN))


def _rescaling(candidate: Candidate) -> str:
    library, _, name = candidate.architecture.partition(":")
    return name if library == "torchvision" else ""


def _digests(name: str) -> tuple[str, ...]:
    """The first digits of the files' SHA-256: ``inception_v3_google-0cc3c7bd.pth``."""
    import torchvision

    urls: list[str] = [one.url for one in torchvision.models.get_model_weights(name)]
    return tuple(url.rpartition("-")[2].partition(".")[0] for url in urls)
