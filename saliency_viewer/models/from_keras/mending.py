"""Where Keras 3 on torch answers unlike the Keras that a network was trained with: on TensorFlow, or version 2."""

from __future__ import annotations

from typing import Any

from saliency_viewer.models.from_keras.axes import Axes, data_format
from saliency_viewer.models.from_keras.library import keras_library
from saliency_viewer.models.from_keras.spatial import Pooling

POOLING = (
    "Average pooling with uneven padding leaves the padding out, as Keras on TensorFlow does; Keras on torch repeats "
    "the border."
)
HARD_SIGMOID = (
    "The hard sigmoid is that of Keras 2, which wrote the file: 0.2 x + 0.5 within 0 and 1; that of Keras 3 is x / 6 + "
    "0.5."
)
_ACTIVATIONS = ("activation", "recurrent_activation")


def mend(model: Any, old: bool = False) -> tuple[str, ...]:
    """Let a model answer as it did where it was trained; what was changed, in sentences.

    Parameters
    ----------
    model:
        The ``keras.Model``, which is changed.
    old:
        Whether a Keras before 3 wrote its file.
    """
    layers = model._flatten_layers(include_self=False)  # those inside of wrappers and recurrent layers too
    changes = [(POOLING, _mend_pooling), *([(HARD_SIGMOID, _mend_hard_sigmoid)] if old else [])]
    found = [[change(layer) for layer in layers] for _, change in changes]
    return tuple(words for (words, _), changed in zip(changes, found, strict=True) if any(changed))


def _mend_pooling(layer: Any) -> bool:
    """Average pooling with padding "same" leaves the padding out, as Keras documents it.

    Keras 3 on torch repeats the border instead where the padding is uneven.
    """
    padded = type(layer).__name__.startswith("AveragePooling") and layer.padding == "same"
    if not padded or keras_library().backend.backend() != "torch":
        return False
    axes = Axes(data_format(layer) != "channels_first")
    pooling = Pooling("mean", layer.pool_size, layer.strides, same=True)
    layer.call = lambda inputs: axes.outside(pooling.forward(axes.inside(inputs)))
    return True


def _mend_hard_sigmoid(layer: Any) -> bool:
    # Recurrent layers hand on those of their cells, which come by themselves.
    found = [name for name in _ACTIVATIONS if getattr(vars(layer).get(name), "__name__", "") == "hard_sigmoid"]
    for name in found:
        setattr(layer, name, keras_2_hard_sigmoid)
    return bool(found)


def keras_2_hard_sigmoid(values: Any) -> Any:
    """Source: ``keras.backend.hard_sigmoid`` of Keras 2."""
    return keras_library().ops.clip(0.2 * values + 0.5, 0.0, 1.0)
