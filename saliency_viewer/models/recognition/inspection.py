"""Everything that can be told of a checkpoint before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.files import FolderFiles
from saliency_viewer.models.recognition import forms
from saliency_viewer.models.recognition.candidate import Candidate
from saliency_viewer.models.recognition.forms import Form, form_of
from saliency_viewer.models.recognition.of_timm import missing_library
from saliency_viewer.models.recognition.programs import program_candidate
from saliency_viewer.models.recognition.published import with_rescaling
from saliency_viewer.models.recognition.ranking import recognise
from saliency_viewer.models.recognition.shapes import Shapes, shapes_of
from saliency_viewer.models.weights import stored, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

_NAME_KEYS = ("classes", "class_names", "class_labels", "labels", "label_names", "target_names", "idx_to_class")
_TO_INDEX = ("class_to_idx", "label_to_idx", "class_to_index")
_MOST_NAMES = 10_000
_SHOWN_KEYS = 6
_LARGEST = 16 * 2**30  # bytes


@dataclass(frozen=True)
class Inspection:
    """A checkpoint as it was found.

    Attributes
    ----------
    form:
        What kind of file it is.
    candidates:
        Networks it may hold or belong to, the likeliest first; exactly one for programs.
    outline:
        What the shapes alone say, for a network that is not known: no architecture, but outputs, dimensions, channels.
    classes:
        Names of classes that were saved beside the weights; mostly empty.
    tensors, numbers:
        How many weights by name, and how many numbers in them; 0 for programs.
    first_keys:
        A few names, for who knows the network by them.
    warnings:
        What looks wrong with it, in sentences.
    """

    form: Form
    candidates: tuple[Candidate, ...]
    outline: Candidate = field(default_factory=lambda: Candidate(""))
    classes: tuple[str, ...] = ()
    tensors: int = 0
    numbers: int = 0
    first_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The likeliest network."""
        return self.candidates[0] if self.candidates else None

    @property
    def recognised(self) -> bool:
        """Whether the likeliest network takes every weight of the file."""
        return self.best is not None and self.best.complete


def read_checkpoint(path: str | Path) -> bytes:
    """The bytes of a checkpoint file; of an ONNX network with the data that it keeps beside itself.

    Raises :class:`UserError`, without its path.
    """
    place = Path(path)
    if place.is_dir():
        raise UserError("The checkpoint is a folder.", "Name the weights file in it, or choose the folder as a model.")
    try:
        if place.stat().st_size > _LARGEST:
            raise UserError(
                "The checkpoint is too large.", "Save the network's state dict alone, without the optimiser."
            )
        content = place.read_bytes()
    except FileNotFoundError:
        raise UserError("There is no checkpoint at that place.", "Check the spelling of the path.") from None
    except OSError as error:
        raise UserError("The checkpoint cannot be read.", "Check that you may open it.", str(error.strerror)) from error
    if form_of(content) is not forms.ONNX:
        return content
    from saliency_viewer.models.programs.onnx_reading.external import inside_of
    from saliency_viewer.models.programs.onnx_reading.whole import self_contained

    return self_contained(content, inside_of(FolderFiles(place.parent)))


def inspect_checkpoint(content: bytes) -> Inspection:
    """What a checkpoint's bytes hold. Runs nothing of it and downloads nothing.

    Raises :class:`UserError` for pickled models, damaged files and files without weights, with the way to mend it.
    """
    form = form_of(content)
    if form is not forms.WEIGHTS:
        return Inspection(form, (program_candidate(content, form),))
    raw = stored(content)
    state = tensors_of(raw)
    shapes = shapes_of(state)
    candidates = tuple(with_rescaling(recognise(shapes), content))
    return Inspection(
        form=form,
        candidates=candidates,
        outline=_outline(shapes),
        classes=_class_names(raw),
        tensors=len(shapes),
        numbers=sum(value.numel() for value in state.values()),
        first_keys=tuple(shapes)[:_SHOWN_KEYS],
        warnings=tuple(_warnings(state, shapes, candidates)),
    )


def _warnings(state: Mapping[str, Tensor], shapes: Shapes, candidates: tuple[Candidate, ...]) -> Iterator[str]:
    broken = [key for key, value in state.items() if value.is_floating_point() and bool(value.isnan().any())]
    if broken:
        yield f"Values are not numbers (NaN) in {len(broken)} of the file's tensors, first '{broken[0]}'."
    if not any(candidate.complete for candidate in candidates):
        missing = missing_library(shapes)
        if missing:
            yield missing


def _outline(shapes: Shapes) -> Candidate:
    """The first convolution reads the image, and the last matrix gives the answer, in nearly every classifier."""
    stem = next((shape for shape in shapes.values() if len(shape) > 2), (0, 0))
    matrices = [shape for key, shape in shapes.items() if len(shape) == 2 and key.endswith("weight")]
    return Candidate("", {}, matrices[-1][0] if matrices else 0, len(stem) - 2, stem[1])


def _class_names(raw: Any) -> tuple[str, ...]:
    """Names of classes that training scripts like to keep in a checkpoint."""
    for mapping in _levels(raw):
        for key in (*_NAME_KEYS, *_TO_INDEX):
            names = _names(mapping.get(key), key in _TO_INDEX)
            if names:
                return names
    return ()


def _levels(raw: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(raw, Mapping):
        yield raw
        yield from (value for key, value in raw.items() if key in ("hyper_parameters", "meta", "config", "args")
                    and isinstance(value, Mapping))  # fmt: skip


def _names(value: Any, to_index: bool) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        pairs = value.items() if not to_index else ((number, name) for name, number in value.items())
        listed = [name for _, name in sorted(pairs, key=lambda pair: str(pair[0]).zfill(9))]
    elif isinstance(value, (list, tuple)):
        listed = list(value)
    else:
        return ()
    good = 0 < len(listed) <= _MOST_NAMES and all(isinstance(name, str) and name.strip() for name in listed)
    return tuple(listed) if good and len(set(listed)) == len(listed) else ()
