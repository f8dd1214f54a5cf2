"""Where Keras on its torch backend answers unlike Keras on TensorFlow, with which most networks were trained."""

from __future__ import annotations

from typing import Any

from saliency_viewer.models.from_keras.axes import Axes, data_format
from saliency_viewer.models.from_keras.library import keras_library
from saliency_viewer.models.from_keras.spatial import Pooling

NOTE = (
    "Average pooling with uneven padding leaves the padding out, as Keras on TensorFlow does; Keras on torch repeats "
    "the border."
)


def mend(model: Any) -> bool:
    """Let average pooling with padding "same" leave the padding out, as Keras documents it; whether there is any.

    Keras 3 on torch repeats the border instead where the padding is uneven.
    """
    if keras_library().backend.backend() != "torch":
        return False
    found = [layer for layer in _layers(model) if _is_padded_mean(layer)]
    for layer in found:
        layer.call = _mean(layer)
    return bool(found)


def _layers(model: Any) -> list[Any]:
    return [inner for layer in model.layers for inner in (_layers(layer) if hasattr(layer, "layers") else [layer])]


def _is_padded_mean(layer: Any) -> bool:
    return type(layer).__name__.startswith("AveragePooling") and layer.padding == "same"


def _mean(layer: Any) -> Any:
    axes = Axes(data_format(layer) != "channels_first")
    pooling = Pooling("mean", layer.pool_size, layer.strides, same=True)
    return lambda inputs: axes.outside(pooling.forward(axes.inside(inputs)))
