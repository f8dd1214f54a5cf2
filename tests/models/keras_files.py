"""Keras files made for tests: small networks, and the .h5 layout of Keras 2, written byte by byte with h5py."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np

from saliency_viewer.models.from_keras.library import keras_library

keras = keras_library()


def randomised(model, seed=0):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        shape = weight.shape
        if any(word in weight.path for word in ("variance", "gamma")):
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:  # kernels keep the size of what goes through them
            fan = np.prod(shape[:-2] if "depthwise" in weight.path else shape[:-1])
            values = random.normal(0, np.sqrt(2 / fan), shape)
        else:
            values = random.normal(0, 0.1, shape)
        weight.assign(values.astype(np.float32))
    return model


def classifier(axes=2, classes=3, last="softmax", size=24, channels=1):
    """Convolutions, batch normalisation, a global average and one dense layer."""
    layers = keras.layers
    convolution = getattr(layers, f"Conv{axes}D")
    given = keras.Input((*[size] * axes, channels), name="image")
    values = convolution(6, 3, padding="same", strides=2, use_bias=False, name="stem")(given)
    values = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(values))
    values = convolution(8, 3, padding="same", activation="relu", name="last_conv")(values)
    values = getattr(layers, f"GlobalAveragePooling{axes}D")(name="pool")(values)
    return randomised(keras.Model(given, layers.Dense(classes, activation=last, name="predictions")(values)))


def saved(model, folder, suffix="keras"):
    path = folder / f"network.{suffix}"
    model.save(path)
    return path.read_bytes()


def with_config(content, change):
    """A .keras archive whose description was changed by ``change(config)``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                data = json.dumps(change(config) or config).encode()
            new.writestr(name, data)
    return out.getvalue()


def changed_h5(content, change):
    """An HDF5 file after ``change(file)``."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def keras_2_file(config, weights, whole=True):
    """The .h5 of Keras 2: ``weights`` is {layer: {"kernel:0": array}}; without ``whole`` the weights alone."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["keras_version"], file.attrs["backend"] = b"2.4.0", b"tensorflow"
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["training_config"] = b'{"loss": "categorical_crossentropy"}'
            file.create_group("optimizer_weights")
        names = [layer["config"]["name"] for layer in layer_list(config)]
        group.attrs["layer_names"] = np.array([name.encode() for name in names])
        group.attrs["keras_version"], group.attrs["backend"] = b"2.4.0", b"tensorflow"
        for name in names:
            inner = group.create_group(name)
            own = weights.get(name, {})
            inner.attrs["weight_names"] = np.array([f"{name}/{key}".encode() for key in own], dtype="S64")
            for key, value in own.items():
                inner[f"{name}/{key}"] = np.asarray(value, np.float32)
    return buffer.getvalue()


def layer_list(config):
    inner = config["config"]
    return inner if isinstance(inner, list) else inner["layers"]


def keras_2_layer(kind, name, *inputs, **settings):
    """One layer as Keras 2 describes it; an input is a name, or (name, arguments of the call)."""
    calls = [[*((i, 0, 0, {}) if isinstance(i, str) else (i[0], 0, 0, i[1]))] for i in inputs]
    own = {"name": name, "trainable": True, "dtype": "float32", **settings}
    return {"class_name": kind, "name": name, "inbound_nodes": [calls] if calls else [], "config": own}


def keras_2_convolution(name, given, filters, kind="Conv2D", **settings):
    start = {"class_name": "GlorotUniform", "config": {"seed": None}}
    zeros = {"class_name": "Zeros", "config": {}}
    if kind == "Conv2D":
        settings = {"filters": filters, "kernel_initializer": start, "kernel_regularizer": None, **settings}
    else:
        settings = {"depth_multiplier": 1, "depthwise_initializer": start, "depthwise_constraint": None, **settings}
    return keras_2_layer(
        kind,
        name,
        given,
        **{
            "kernel_size": [3, 3],
            "strides": [1, 1],
            "padding": "same",
            "data_format": "channels_last",
            "dilation_rate": [1, 1],
            "groups": 1,
            "activation": "linear",
            "use_bias": True,
            "bias_initializer": zeros,
            "bias_regularizer": None,
            "activity_regularizer": None,
            **settings,
        },
    )


def keras_2_norm(name, given, axis):
    return keras_2_layer(
        "BatchNormalization",
        name,
        given,
        axis=axis,
        momentum=0.99,
        epsilon=0.001,
        center=True,
        scale=True,
        fused=None,
        renorm=False,
        virtual_batch_size=None,
        beta_initializer={"class_name": "Zeros", "config": {}},
        gamma_initializer={"class_name": "Ones", "config": {}},
        moving_mean_initializer={"class_name": "Zeros", "config": {}},
        moving_variance_initializer={"class_name": "Ones", "config": {}},
        beta_regularizer=None,
        gamma_regularizer=None,
    )


def keras_2_operator(function, name, *inputs):
    kind = "SlicingOpLambda" if function.endswith("getitem") else "TFOpLambda"
    entry = keras_2_layer(kind, name, *inputs, function=function)
    entry["inbound_nodes"] = entry["inbound_nodes"][0]  # these have their calls one level higher
    return entry


def keras_2_model(*layers, output, kind="Functional"):
    start = keras_2_layer("InputLayer", "input_1", batch_input_shape=[None, 10, 12, 3], sparse=False, ragged=False)
    ends = {"input_layers": [["input_1", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": kind, "config": {"name": "old", "layers": [start, *layers], **ends}}
