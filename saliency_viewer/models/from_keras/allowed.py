"""What a Keras file may consist of: Keras' own layers by name, and nothing that could run code or open other files.

Keras resolves the names in a file to Python objects. Its safe mode refuses less than we do and has had holes, so
nothing is handed to it that was not put together here from known names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from saliency_viewer.errors import UserError

MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras", "Model": "keras"}

# Layers that Keras has in its own applications only.
APPLICATIONS = {
    "LayerScale": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}

_AXES = ("1D", "2D", "3D")
_BY_AXES = (
    *("Conv", "SeparableConv", "DepthwiseConv", "MaxPooling", "AveragePooling", "GlobalMaxPooling"),
    *("GlobalAveragePooling", "ZeroPadding", "Cropping", "UpSampling", "SpatialDropout", "ConvLSTM"),
)
LAYERS = frozenset(
    {f"{kind}{axes}" for kind in _BY_AXES for axes in _AXES}
    | {f"Conv{axes}Transpose" for axes in _AXES}
    | {"InputLayer", "Dense", "EinsumDense", "Embedding", "Identity", "Masking", "Activation", "ReLU", "LeakyReLU"}
    | {"PReLU", "ELU", "Softmax", "ThresholdedReLU", "BatchNormalization", "LayerNormalization", "RMSNormalization"}
    | {"GroupNormalization", "UnitNormalization", "SpectralNormalization", "Rescaling", "Normalization", "Resizing"}
    | {"CenterCrop", "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"}
    | {"RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"}
    | {"Flatten", "Reshape", "Permute", "RepeatVector", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
    | {"Concatenate", "Dot", "Attention", "AdditiveAttention", "MultiHeadAttention", "GroupedQueryAttention"}
    | {"LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "RNN", "Bidirectional"}
    | {"TimeDistributed"}
)
OPERATIONS = {
    "numpy": frozenset(
        {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Mean", "Sum", "Max", "Min", "Maximum", "Minimum"}
        | {"GetItem", "Reshape", "Transpose", "Concatenate", "Negative", "Absolute", "Square", "Sqrt", "Power", "Exp"}
        | {"Log", "Tanh", "ExpandDims", "Squeeze", "Clip", "Flip", "Matmul", "Stack", "BroadcastTo", "Pad"}
    ),
    "nn": frozenset(
        {"Relu", "Relu6", "Silu", "Sigmoid", "Softmax", "LogSoftmax", "HardSigmoid", "HardSilu", "Gelu", "Elu", "Selu"}
        | {"LeakyRelu", "Softplus", "Softsign"}
    ),
    "core": frozenset({"Cast"}),
}
ACTIVATIONS = frozenset(
    {"linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "sigmoid"}
    | {"hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "tanh", "tanh_shrink", "hard_shrink", "soft_shrink"}
    | {"softplus", "softsign", "softmax", "log_softmax", "log_sigmoid", "exponential", "exp", "squareplus", "threshold"}
    | {"sparse_plus", "sparse_sigmoid", "sparsemax", "glu"}
)
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__", "__tuple__"})
_OF_KERAS = re.compile(r"(tensorflow\.|tf\.)?(python\.)?(tf_)?keras(\.\w+)*")
_OF_OPERATIONS = re.compile(r"keras\.(src\.)?ops(\.(numpy|nn|core))?")
# What only training needs; replaced, so that no code of its kind is ever looked up.
_TRAINING = re.compile(r"\w*_(initializer|regularizer|constraint)")
_LEFT_OUT = ("compile_config", "training_config", "shared_object_id", "quantization_config")
_DEEPEST = 100
# Of Keras 2, without meaning for a trained network; Keras 3 would refuse them.
_LEFTOVERS = ("renorm", "renorm_clipping", "renorm_momentum", "virtual_batch_size", "fused", "time_major", "ragged")


def allowed_config(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a network, put together anew from what is known.

    Parameters
    ----------
    entry:
        ``{"class_name": ..., "config": {...}}`` of a model, as any version of Keras writes it.

    Returns
    -------
    The same network with Keras' own modules named, in float32, without initialisers, regularisers, constraints and
    what belongs to training.

    Raises
    ------
    UserError
        For a Lambda, a custom object, or any other name that is not on the lists of this file.
    """
    if entry.get("class_name") not in MODELS:
        _refuse(str(entry.get("class_name")))
    found: dict[str, Any] = _entry(entry, 0)
    if not isinstance(found.get("config"), dict):
        # Sequential models of the first Keras 2 are a bare list of layers.
        found["config"] = {"name": "sequential", "layers": found["config"]}
    return found


def _clean(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise UserError("The Keras file's description is nested too deeply.", "Get the file from its author again.")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return _entry(value, depth) if "class_name" in value else _table(value, depth)
    return value


def _table(values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        if key in _LEFT_OUT or key in _LEFTOVERS:
            continue
        if _TRAINING.fullmatch(key):
            out[key] = "zeros" if key.endswith("initializer") else None
        elif key == "dtype":
            out[key] = _precision(value)
        else:
            out[key] = _clean(value, depth + 1)
    return out


def _precision(value: Any) -> str:
    """Computing is in float32, whatever was trained with; integers that stand for rounded weights are refused."""
    inner = value.get("config") if isinstance(value, Mapping) else None
    name = str((inner or {}).get("name", "")) if isinstance(value, Mapping) else str(value)
    if any(kind in name for kind in ("int8_from", "int4_from", "float8_from", "gptq", "awq")):
        raise UserError(
            "The Keras file holds a quantised network, which has no gradients.",
            "Save the network as it was before it was quantised.",
        )
    return "float32"


def _entry(entry: Mapping[str, Any], depth: int) -> Any:
    """An object that the file names: only those of our lists, each with the module that Keras has it in."""
    name = str(entry["class_name"])
    module = entry.get("module")
    if name in _VALUES:
        return {"class_name": name, "config": _clean(entry.get("config"), depth + 1)}
    if name == "function":
        return _function(entry)
    out: dict[str, Any] = {
        key: _clean(value, depth + 1) for key, value in entry.items() if key not in (*_LEFT_OUT, "dtype")
    }
    out |= {"class_name": name, "registered_name": None}
    own_name = entry.get("registered_name") in (None, name)
    if module is None and _is_operation(name, entry.get("config")):
        module = "keras.ops"
    if module is not None and _OF_OPERATIONS.fullmatch(str(module)):
        home = next((place for place, names in OPERATIONS.items() if name in names), None)
        if home is None or not own_name:
            _refuse(name)
        return out | {"module": f"keras.src.ops.{home}"}
    ours = own_name and (module is None or _OF_KERAS.fullmatch(str(module)))
    if not ours or name not in MODELS.keys() | APPLICATIONS.keys() | LAYERS:
        _refuse(name)
    if module is not None or name in APPLICATIONS:
        out["module"] = {**MODELS, **APPLICATIONS}.get(name, "keras.layers")
    _forget_keras_2(name, out.get("config"))
    return out


def _is_operation(name: str, config: Any) -> bool:
    """The .h5 files of Keras 3 leave modules out; layers of the same names (Add) have a precision in their settings."""
    known = any(name in names for names in OPERATIONS.values())
    return known and isinstance(config, Mapping) and not {"trainable", "dtype"} & config.keys()


def _function(entry: Mapping[str, Any]) -> Any:
    """An activation by name; every other function could be anything."""
    name = entry.get("config")
    known = entry.get("module") in (None, "builtins", "keras.activations", "keras.src.activations.activations")
    if not known or name not in ACTIVATIONS:
        _refuse(str(name))
    return name


def _forget_keras_2(name: str, config: Any) -> None:
    """Settings that Keras 2 wrote and Keras 3 refuses."""
    if not isinstance(config, dict):
        return
    if name.startswith(("DepthwiseConv", "SeparableConv")) or name.endswith("Transpose"):
        config.pop("groups", None)
    if name != "InputLayer" and isinstance(config.get("batch_input_shape"), list):
        config["input_shape"] = config.pop("batch_input_shape")[1:]  # Keras 3 would take the batch for an axis
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]


def _refuse(name: str) -> NoReturn:
    if name == "Lambda":
        raise UserError(
            "The Keras file holds a Lambda layer, which is Python code and could do anything: it was not opened.",
            "Build the network again with a layer of Keras in its place (Rescaling, Activation, Reshape, or an "
            "operation of keras.ops), load the weights into it, and save that.",
        )
    shown = name if re.fullmatch(r"[\w>.]{1,60}", name) else "something"
    raise UserError(
        f"The Keras file asks for '{shown}', which is no layer of Keras itself and would need code from elsewhere: "
        "it was not opened.",
        "Build the network again from layers of Keras, load the weights into it, and save that.",
    )
