"""Every layer that is translated from Keras gives what Keras gives, in one, two and three dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saliency_viewer.models.from_keras.axes import NotTranslated
from saliency_viewer.models.from_keras.graph import translate
from saliency_viewer.models.from_keras.library import keras_library
from saliency_viewer.models.from_keras.mending import mend

# Keras' own, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
keras = keras_library()
layers = keras.layers
SHAPES = {1: (13, 4), 2: (12, 9, 4), 3: (7, 8, 5, 4)}


def randomised(model, seed=0):
    """Weights and statistics that no layer can hide behind."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        positive = any(word in weight.path for word in ("variance", "gamma"))
        values = random.uniform(0.5, 1.5, weight.shape) if positive else random.normal(0, 0.4, weight.shape)
        weight.assign(values.astype(np.float32))
    return model


def agree(model, shape=None, seed=1):
    """Keras' answer and the translation's, which must agree in every value."""
    shape = shape or model.input_shape[1:]
    inputs = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    mend(model)
    network = translate(model).eval()
    last = network.axes.channels_last
    with torch.no_grad():
        expected = keras.ops.convert_to_numpy(model(inputs, training=False))
        ours = network(network.axes.inside(torch.from_numpy(inputs)) if last else torch.from_numpy(inputs))
    np.testing.assert_allclose(network.axes.outside(ours).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0
    return network


def functional(layer, shape):
    given = keras.Input(shape)
    return randomised(keras.Model(given, layer(given)))


def convolutions():
    for axes in (1, 2, 3):
        kind = getattr(layers, f"Conv{axes}D")
        for settings in (
            {"padding": "valid"},
            {"padding": "same"},
            {"padding": "same", "strides": 2},
            {"padding": "same", "strides": 3, "kernel_size": 2},
            {"padding": "same", "kernel_size": 4, "use_bias": False},
            {"padding": "same", "dilation_rate": 2},
            {"padding": "valid", "groups": 2, "activation": "relu"},
        ):
            yield kind(**{"filters": 6, "kernel_size": 3, **settings}), axes
        transposed = getattr(layers, f"Conv{axes}DTranspose")
        for settings in (
            {"padding": "valid", "strides": 2},
            {"padding": "same", "strides": 2},
            {"padding": "same", "strides": 3, "kernel_size": 4, "activation": "relu"},
            {"padding": "valid", "strides": 3, "kernel_size": 2, "use_bias": False},
            {"padding": "same", "strides": 3, "kernel_size": 2, "use_bias": False},
        ):
            yield transposed(**{"filters": 5, "kernel_size": 3, **settings}), axes
    yield layers.Conv1D(6, 3, padding="causal", dilation_rate=2), 1
    for axes in (1, 2):
        for settings in ({"padding": "same"}, {"padding": "same", "strides": 2, "depth_multiplier": 2}):
            yield getattr(layers, f"DepthwiseConv{axes}D")(kernel_size=3, **settings), axes
            yield (
                getattr(layers, f"SeparableConv{axes}D")(filters=5, kernel_size=3, activation="silu", **settings),
                axes,
            )


def spatial():
    for axes in (1, 2, 3):
        uneven = (1, 2) if axes == 1 else ((1, 2), (0, 1), (2, 0))[:axes]
        yield getattr(layers, f"ZeroPadding{axes}D")(uneven), axes
        yield getattr(layers, f"Cropping{axes}D")(uneven), axes
        yield getattr(layers, f"UpSampling{axes}D")(2), axes
        for kind in ("Max", "Average"):
            for settings in (
                {"pool_size": 2},
                {"pool_size": 3, "strides": 2},
                {"pool_size": 3, "strides": 1, "padding": "same"},
                {"pool_size": 3, "strides": 2, "padding": "same"},
                {"pool_size": 2, "strides": 1, "padding": "same"},
                {"pool_size": 4, "strides": 2, "padding": "same"},
                {"pool_size": 2, "strides": 3, "padding": "same"},
                {"pool_size": 5, "strides": 3, "padding": "same"},
            ):
                yield getattr(layers, f"{kind}Pooling{axes}D")(**settings), axes
            for keepdims in (False, True):
                yield getattr(layers, f"Global{kind}Pooling{axes}D")(keepdims=keepdims), axes
    yield layers.UpSampling2D((2, 3), interpolation="bilinear"), 2


def pointwise():
    for name in (
        *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "hard_sigmoid"),
        *("hard_silu", "hard_tanh", "tanh", "tanh_shrink", "hard_shrink", "soft_shrink", "softplus", "softsign"),
        *("softmax", "log_sigmoid", "exponential"),
    ):
        yield layers.Activation(name), 2
    yield layers.ReLU(), 1
    yield layers.ReLU(max_value=6.0), 3
    yield layers.ReLU(max_value=0.7), 2
    yield layers.ReLU(negative_slope=0.1), 2
    yield layers.LeakyReLU(negative_slope=0.3), 2
    yield layers.ELU(alpha=0.5), 1
    yield layers.Softmax(axis=1), 2
    for axes in (1, 2, 3):
        shared = list(range(1, axes + 1))
        yield layers.PReLU(), axes
        yield layers.PReLU(shared_axes=shared), axes
        yield layers.BatchNormalization(epsilon=0.01), axes
        yield layers.BatchNormalization(center=False, scale=False), axes
        yield layers.LayerNormalization(epsilon=0.01), axes
        yield layers.LayerNormalization(center=False, scale=False), axes
        yield layers.GroupNormalization(groups=2), axes
        yield layers.Rescaling(1 / 3, offset=-0.5), axes
        yield layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 0.5, 1.5]), axes
        yield layers.Dense(3, activation="tanh"), axes
        yield layers.Dense(3, use_bias=False), axes
    yield layers.Rescaling([1.0, 0.5, 2.0, 3.0], offset=[0.0, 1.0, 2.0, 3.0]), 2
    yield layers.Normalization(mean=0.3, variance=2.0, invert=True), 2


def moving():
    yield layers.Flatten(), 1
    yield layers.Flatten(), 2
    yield layers.Flatten(), 3
    yield layers.Reshape((6, 2, 36)), 2
    yield layers.Reshape((-1, 4)), 2
    yield layers.Reshape((13, 2, 2)), 1
    yield layers.Permute((3, 1, 2)), 2
    yield layers.Permute((2, 1)), 1
    yield layers.Dropout(0.5), 2
    yield layers.SpatialDropout2D(0.5), 2
    yield layers.GaussianNoise(1.0), 3
    yield layers.RandomFlip(), 2


def case_name(case):
    return f"{type(case[0]).__name__}-{case[1]}" if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", [*convolutions(), *spatial(), *pointwise(), *moving()], ids=case_name)
def test_a_layer_answers_as_in_keras(case):
    layer, axes = case
    agree(functional(layer, SHAPES[axes]))


@pytest.mark.parametrize("kind", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_two_branches_come_together_as_in_keras(kind, axes):
    given = keras.Input(SHAPES[axes])
    convolution = getattr(layers, f"Conv{axes}D")
    both = [convolution(4, 3, padding="same")(given), convolution(4, 1, activation="relu")(given)]
    agree(randomised(keras.Model(given, getattr(layers, kind)()(both))))


def test_concatenation_along_another_axis_and_gates_of_lower_rank():
    given = keras.Input(SHAPES[2])
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D()(given))
    gated = layers.Multiply()([given, gate])
    agree(randomised(keras.Model(given, layers.Concatenate(axis=1)([gated, given]))))


def operations(x):
    ops = keras.ops
    gate = ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True))
    x = ops.relu(x * gate + 1.5) - x / 3.0
    x = ops.relu6(x + 3.0) * np.float32(1 / 6)
    x = x + np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    x = ops.concatenate([x[:, 1:, ..., :], ops.flip(x, axis=-1)[:, :-1]], axis=-1)
    x = ops.clip(x, -2.0, 4.0)
    x = ops.silu(ops.square(x) - ops.abs(x) ** 1.5)
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.max(x, axis=-1) + ops.reshape(ops.sum(x, axis=[1, 2, 3]), (-1, 1, 1))


def test_operations_of_keras_ops_answer_as_in_keras():
    given = keras.Input(SHAPES[2])
    agree(keras.Model(given, keras.ops.tanh(operations(given)[:, :, 2:5])))


def test_shared_layers_and_nested_models_of_both_kinds():
    inner_input = keras.Input(SHAPES[2])
    inner = keras.Model(inner_input, layers.Conv2D(4, 3, padding="same", name="inside")(inner_input), name="inner")
    chain = keras.Sequential([keras.Input(SHAPES[2]), layers.Conv2D(4, 1), layers.ReLU()], name="training")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    given = keras.Input(SHAPES[2])
    values = shared(chain(inner(shared(given))))
    model = randomised(keras.Model(given, layers.Dense(2)(layers.Flatten()(inner(values)))))
    network = agree(model)
    assert {"shared", "inner.inside", "training_"} <= {name for name, _ in network.named_modules()}
    assert sum(name == "shared" for name, _ in network.named_modules()) == 1
    agree(randomised(keras.Sequential([keras.Input(SHAPES[2]), chain, inner, layers.GlobalMaxPooling2D()])))


@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 3), (4, 2), (2, 1), (5, 3)])
def test_padding_never_counts_in_a_mean_as_tensorflow_has_it(window, stride):
    """By arithmetic: Keras on torch repeats the border where the padding is uneven."""
    values = np.random.default_rng(0).normal(size=12).astype(np.float32)
    positions = -(-12 // stride)
    before = max((positions - 1) * stride + window - 12, 0) // 2
    windows = [range(k * stride - before, k * stride - before + window) for k in range(positions)]
    expected = [np.mean([values[i] for i in places if 0 <= i < 12]) for places in windows]
    model = functional(layers.AveragePooling1D(window, stride, padding="same"), (12, 1))
    assert mend(model)
    ours = translate(model)(torch.from_numpy(values)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(values[None, :, None]))[0, :, 0], expected, rtol=1e-5)


def test_a_channels_first_network_keeps_its_axes():
    given = keras.Input((3, 12, 9))
    values = layers.Conv2D(4, 3, strides=2, padding="same", data_format="channels_first", activation="relu")(given)
    values = layers.BatchNormalization(axis=1)(values)
    values = layers.MaxPooling2D(2, data_format="channels_first")(values)
    model = keras.Model(given, layers.Dense(2)(layers.Flatten(data_format="channels_first")(values)))
    assert not agree(randomised(model)).axes.channels_last


def test_layers_with_channels_on_different_axes_are_refused():
    given = keras.Input((8, 8, 8))
    values = layers.Conv2D(4, 3, data_format="channels_first")(given)
    with pytest.raises(NotTranslated, match="different axes"):
        translate(keras.Model(given, layers.Conv2D(4, 3, data_format="channels_last")(values)))


def test_what_has_no_translation_is_named():
    given = keras.Input((6, 4))
    with pytest.raises(NotTranslated, match="'LSTM'"):
        translate(keras.Model(given, layers.LSTM(3)(given)))


def test_results_are_let_go_of_once_they_were_read():
    """Of a volume's feature maps only those that are still wanted may be held."""
    values = given = keras.Input(SHAPES[3])
    for _ in range(4):
        values = layers.Conv3D(4, 3, padding="same")(values)
    network = translate(keras.Model(given, values))
    assert [step.done for step in network.steps] == [(-1,), (0,), (1,), (2,)]
