"""The layer graph of a Keras model as a torch network of native modules, named after the Keras layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from saliency_viewer.models.from_keras import activations, normalising, operations, shaping, spatial, weighted
from saliency_viewer.models.from_keras.axes import Axes, NotTranslated, data_format
from saliency_viewer.models.from_keras.translated import Step, TranslatedNetwork, Value

_LAYERS = (*weighted.LAYERS, *normalising.LAYERS, *activations.LAYERS, *spatial.LAYERS, *shaping.LAYERS)
_TRAINING_ONLY = ("training", "mask")  # arguments of a call that mean nothing to a trained network


def translate(model: Any, output: int = 0) -> TranslatedNetwork:
    """A ``keras.Model`` with one input as torch modules that own their weights.

    ``output`` is the number of the model's output that counts. Raises :class:`NotTranslated` with the reason when a
    layer has no translation.
    """
    return _network(model, axes_of(model), output)


def axes_of(model: Any) -> Axes:
    """Where the model has its channels. Raises :class:`NotTranslated` when its layers differ."""
    formats = {data_format(layer) for layer in _all_layers(model)} - {None}
    if len(formats) > 1:
        raise NotTranslated("the layers have their channels on different axes")
    return Axes(formats != {"channels_first"})


def _all_layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _all_layers(layer)


def _network(model: Any, axes: Axes, output: int) -> TranslatedNetwork:
    if type(model).__name__ == "Sequential":
        return _Builder(axes).chain(model.layers)
    if len(model.inputs) != 1:
        raise NotTranslated(f"the model '{model.name}' with {len(model.inputs)} inputs")
    return _Builder(axes).graph(model.inputs[0], model.outputs[output])


class _Builder:
    """One network in the making: modules by layer, steps by call."""

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._network = TranslatedNetwork(axes)
        self._names: dict[int, str] = {}  # of layers, by identity: one that is called twice is one module
        self._calls: dict[Any, int] = {}  # (layer, its node) to the step
        self._steps: list[Step] = []

    def chain(self, layers: Any) -> TranslatedNetwork:
        """Layers one after the other."""
        value = Value(-1)
        for layer in layers:
            if type(layer).__name__ != "InputLayer":
                self._steps.append(Step(self._module(layer), [value], {}))
                value = Value(len(self._steps) - 1)
        return self._finished(value)

    def graph(self, start: Any, end: Any) -> TranslatedNetwork:
        """All that lies between two of Keras' symbolic tensors."""
        self._calls[_place(start)] = -1
        waiting = [end]
        while waiting:  # no recursion: networks have thousands of layers
            layer, number = _place(waiting[-1])
            if (layer, number) in self._calls:
                waiting.pop()
                continue
            node = layer._inbound_nodes[number]
            missing = [tensor for tensor in node.input_tensors if _place(tensor) not in self._calls]
            if missing:
                waiting.extend(missing)
                continue
            options = {k: v for k, v in node.arguments.kwargs.items() if k not in _TRAINING_ONLY and v is not None}
            step = Step(self._module(layer), self._read(list(node.arguments.args)), self._read(options))
            self._calls[layer, number] = len(self._steps)
            self._steps.append(step)
        return self._finished(self._value(end))

    def _finished(self, output: Value) -> TranslatedNetwork:
        """Steps that know after which call a result is no longer wanted: those of volumes are large."""
        last: dict[int, int] = {}
        for number, step in enumerate(self._steps):
            last |= dict.fromkeys((value.call for value in _values([step.arguments, step.options])), number)
        last.pop(output.call, None)
        self._network.steps = tuple(
            Step(step.module, step.arguments, step.options, tuple(call for call, end in last.items() if end == number))
            for number, step in enumerate(self._steps)
        )
        self._network.output = output
        return self._network

    def _value(self, tensor: Any) -> Value:
        return Value(self._calls[_place(tensor)], int(tensor._keras_history.tensor_index))

    def _read(self, structure: Any) -> Any:
        if hasattr(structure, "_keras_history"):
            return self._value(structure)
        if isinstance(structure, (list, tuple)):
            return type(structure)(self._read(item) for item in structure)
        if isinstance(structure, dict):
            return {key: self._read(item) for key, item in structure.items()}
        return structure

    def _module(self, layer: Any) -> str:
        """The name of the layer's module, which is made at its first call."""
        if id(layer) not in self._names:
            name = layer.name.replace(".", "_") or "layer"
            while hasattr(self._network, name):  # "training" and the like are taken by every module
                name += "_"
            self._network.add_module(name, self._made(layer))
            self._names[id(layer)] = name
        return self._names[id(layer)]

    def _made(self, layer: Any) -> nn.Module:
        kind = type(layer)
        if not kind.__module__.startswith("keras."):
            raise NotTranslated(f"'{kind.__name__}', which is no layer of Keras")
        if hasattr(layer, "layers") and hasattr(layer, "outputs"):
            if type(layer).__name__ != "Sequential" and len(layer.outputs) != 1:
                raise NotTranslated(f"the nested model '{layer.name}' with several outputs")
            return _network(layer, self._axes, 0)
        table = operations.OPERATIONS if kind.__module__.startswith("keras.src.ops") else _LAYERS
        make = next((make for name, make in table if name == kind.__name__), None)
        if make is None:
            raise NotTranslated(f"the layer '{kind.__name__}'")
        return make(layer, self._axes)


def _place(tensor: Any) -> tuple[Any, int]:
    """The layer that made a symbolic tensor, and in which of its calls."""
    layer, node, _ = tensor._keras_history
    return layer, int(node)


def _values(structure: Any) -> Iterator[Value]:
    if isinstance(structure, Value):
        yield structure
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _values(item)
    elif isinstance(structure, dict):
        yield from _values(list(structure.values()))
