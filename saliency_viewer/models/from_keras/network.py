"""A Keras file as a torch network that takes (N, C, *spatial): translated where that is proved right, else as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.from_keras.axes import NotTranslated, data_format
from saliency_viewer.models.from_keras.comparing import SAME, disagreement
from saliency_viewer.models.from_keras.container import open_keras
from saliency_viewer.models.from_keras.graph import translate
from saliency_viewer.models.from_keras.library import keras_library, quiet, to_numpy
from saliency_viewer.models.from_keras.loading import finite_weights, load_model
from saliency_viewer.models.from_keras.mending import mend
from saliency_viewer.models.from_keras.translated import TranslatedNetwork

_SIZES = {1: (256, 1024), 2: (64, 128, 256), 3: (32, 64)}  # tried in turn for networks that take any size
_TOP = 255.0


def keras_network(
    content: bytes | str | Path, output: str | int | None = None, config: bytes | None = None
) -> nn.Module:
    """The network in a Keras file, on the CPU, in evaluation mode.

    Parameters
    ----------
    content:
        A ``.keras`` or ``.h5`` file, or weights alone: its bytes or its place.
    output:
        Name or number of the output that counts, for networks with several; by default the first.
    config:
        For weights alone: what ``model.to_json()`` gave.

    Returns
    -------
    A network that takes (N, C, *spatial) with 1, 2 or 3 spatial axes and gives (N, outputs), with the attributes of
    :class:`TranslatedNetwork`.

    Raises
    ------
    UserError
        For files with code in them, damaged ones, and networks with several inputs.
    """
    file = open_keras(content if isinstance(content, bytes) else _read(Path(content)), config)
    model = load_model(file)
    finite_weights(model)
    mended = mend(model, file.old)
    if len(model.inputs) != 1:
        raise UserError(
            f"The network has {len(model.inputs)} inputs; only networks with one can be explained.",
            "Save a part of it that takes the image alone.",
        )
    number = _output_number(model, output)
    try:
        network: TranslatedNetwork | AsKeras = _translated(model, number)
    except Exception as error:  # whatever goes wrong in a translation, Keras itself is left
        why = str(error) if isinstance(error, NotTranslated) else f"{type(error).__name__}: {error}"
        network = AsKeras(model, number, why.splitlines()[0][:200] if why else type(error).__name__)
    network.notes = (*network.notes, *mended)
    return network


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise UserError(
            "The Keras file cannot be read.", "Check that it is there, and its permissions.", str(error.strerror)
        ) from error


def _output_number(model: Any, wanted: str | int | None) -> int:
    names = _output_names(model)
    if wanted is None:
        return 0
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    if wanted in names:
        return names.index(wanted)
    raise UserError(f"The network has no output '{wanted}'.", near_match(str(wanted), names))


def _output_names(model: Any) -> list[str]:
    """A sequential model has one output, and no name for it."""
    return list(getattr(model, "output_names", None) or [model.layers[-1].name])


def _translated(model: Any, output: int) -> TranslatedNetwork:
    """The translation. Raises :class:`NotTranslated` when there is none, or its answers are others than Keras'."""
    network = translate(model, output)
    network.input_rank = len(model.inputs[0].shape)
    network.eval().requires_grad_(False)
    inputs, answer = _asked(model, output, network.axes.channels_last)
    ours = network.axes.inside(inputs)
    errors = [disagreement(network(ours), answer, inputs, partial(_answer, model, output))]
    layer = _last_layer(model, output)
    if network.ending and hasattr(layer, "activation"):
        # Probabilities of 0 and 1 would hide a difference: the logits have to agree too.
        with _linear(layer):
            trial = copy.deepcopy(network)
            trial.end_in_logits()
            logits = _answer(model, output, inputs)
            errors.append(disagreement(trial(ours), logits, inputs, partial(_answer, model, output)))
    worst = max(errors)
    if worst == float("inf"):
        raise NotTranslated("the translation cannot be compared: no image was found for which Keras' answer is certain")
    if not worst <= SAME:
        raise NotTranslated(f"the translation's answers differ from Keras' own by {worst:.1e} of the largest one")
    network.outputs = int(answer.shape[-1])
    network.notes = (f"Translated from Keras layer by layer; its answers equal Keras' own to {worst:.0e}.",)
    return network


def _last_layer(model: Any, output: int) -> Any:
    """The layer that gives the answer, inside of nested models."""
    layer = model.outputs[output]._keras_history.operation
    while getattr(layer, "layers", None) and getattr(layer, "outputs", None):
        layer = layer.outputs[0]._keras_history.operation
    return layer


def _asked(model: Any, output: int, channels_last: bool) -> tuple[Tensor, Tensor]:
    """(inputs, Keras' answer): one random input of standard size, one as bright as a picture.

    Both in Keras' order of axes. Where no size is written down some are tried, from small to large.
    """
    shape = list(model.inputs[0].shape)
    free = [axis for axis in range(1, len(shape)) if shape[axis] is None]
    shape[0] = shape[0] or 2
    tried = [()] if not free else _SIZES.get(len(shape) - 2, _SIZES[2])
    for number, size in enumerate(tried):
        for axis in free:
            channels = axis == (len(shape) - 1 if channels_last else 1)
            shape[axis] = 3 if channels else size
        try:
            chosen = _random(shape)
            return chosen, _answer(model, output, chosen)
        except (RuntimeError, ValueError):
            if number == len(tried) - 1:
                raise
    raise NotTranslated("no input was found to compare with")


def _random(shape: list[Any]) -> Tensor:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[-1] = (values[-1] + 3) / 6 * _TOP
    return torch.from_numpy(values)


def _answer(model: Any, output: int, inputs: Tensor) -> Tensor:
    keras = keras_library()
    with quiet(), keras.device("cpu"), torch.no_grad():
        found = model(inputs.numpy(), training=False)
    chosen = found[_output_names(model)[output]] if isinstance(found, Mapping) else found
    chosen = chosen[output] if isinstance(chosen, (list, tuple)) else chosen
    return torch.from_numpy(np.array(to_numpy(chosen)))


@contextmanager
def _linear(layer: Any) -> Iterator[None]:
    before = layer.activation
    layer.activation = keras_library().activations.linear
    try:
        yield
    finally:
        layer.activation = before


class AsKeras(nn.Module):
    """The Keras model itself, behind an adapter of axes, for layers that have no translation.

    ``operators_hidden`` tells the engine that rules and layers have no meaning here.
    """

    channels_first = True

    def __init__(self, model: Any, output: int, why: str) -> None:
        super().__init__()
        keras = keras_library()
        if keras.backend.backend() != "torch":
            raise UserError(
                "The Keras network holds layers that only Keras itself can run, and Keras runs on "
                f"{keras.backend.backend()} in this program.",
                "Start again with KERAS_BACKEND=torch.",
                why,
            )
        self.model, self.output = model, output
        self.ending_taken_off = False
        self.axes_last = {data_format(layer) for layer in model.layers} - {None} != {"channels_first"}
        self.operators_hidden = f"This Keras network is run by Keras itself, since it could not be translated ({why})"
        self.notes = (f"{self.operators_hidden}: gradient methods and methods that mask the input can be used.",)
        self.requires_grad_(False)

    @property
    def ending(self) -> str:
        """The kind of the last activation, where the last layer has one."""
        name = getattr(getattr(self._last, "activation", None), "__name__", "")
        kind = type(self._last).__name__
        return name if name in ("softmax", "sigmoid") else "softmax" if kind == "Softmax" else ""

    @property
    def outputs(self) -> int:
        """Numbers that the network answers with."""
        return int(self.model.outputs[self.output].shape[-1])

    @property
    def _last(self) -> Any:
        return _last_layer(self.model, self.output)

    def end_in_logits(self) -> None:
        """Let the network answer without its last softmax or sigmoid."""
        if not self.ending:
            return
        if not hasattr(self._last, "activation"):
            raise UserError(
                "This network's last softmax cannot be taken off.", 'Write activation = "none" into model.toml.'
            )
        self._last.activation = keras_library().activations.linear
        self.ending_taken_off = True

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, *spatial) to (N, outputs)."""
        keras = keras_library()
        rank = len(self.model.inputs[0].shape)
        if inputs.ndim == rank + 1 and inputs.shape[1] == 1:
            given = inputs[:, 0]
        else:
            given = inputs.movedim(1, -1) if self.axes_last else inputs
        with quiet(), keras.device(str(inputs.device)):
            found = self.model(given, training=False)
        if isinstance(found, Mapping):
            found = list(found.values())[self.output]
        result: Tensor = found[self.output] if isinstance(found, (list, tuple)) else found
        return result
