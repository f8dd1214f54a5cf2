"""Which methods apply to Keras networks; the five of "Grad-CAM for Keras" against a formula on Keras' own tensors."""

from __future__ import annotations

import keras_files as files
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.models.from_keras import keras_network

keras = files.keras
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CAMS = ("layer-grad-cam", "grad-cam-plus-plus", "hires-cam", "respond-cam", "saliency-tubes")
# Few samples: what is tested is whether a method applies, not how well it estimates.
FEW = {
    "smooth-grad": {"samples": 2},
    "smooth-grad-squared": {"samples": 2},
    "var-grad": {"samples": 2},
    "smooth-integrated-gradients": {"samples": 2},
    "noise-tunnel-ig": {"samples": 2},
    "gradient-shap": {"samples": 2},
    "guided-ig": {"steps": 5},
    "rise": {"samples": 20},
}
BY_GRADIENT = {
    *("gradient", "input-x-gradient", "smooth-grad", "smooth-grad-squared", "var-grad", "integrated-gradients"),
    *("smooth-integrated-gradients", "noise-tunnel-ig", "blur-ig", "guided-ig", "xrai", "gradient-shap"),
    *("occlusion", "rise"),
}
IDS = {method.id for method in METHODS}
ONLY_2D = {"eigen-grad-cam", "kpca-cam", "fem", "grad-cam-elementwise", "full-grad"}


def own_maps(model, layer: str, image: NDArray, target: int) -> dict[str, NDArray]:
    """The five maps (N, *layer spatial) from Keras' activations and their gradients, channels last."""
    inner, end = model.get_layer(layer), model.layers[-1]
    before, end.activation = end.activation, keras.activations.linear
    try:
        both = keras.Model(model.inputs, [inner.output, end.output])
        activations, logits = both(torch.from_numpy(np.moveaxis(image, 1, -1)).requires_grad_())
    finally:
        end.activation = before
    (gradients,) = torch.autograd.grad(logits[:, target].sum(), [activations])
    a, g = activations.detach().double().numpy(), gradients.double().numpy()
    space = tuple(range(1, a.ndim - 1))
    total = a.sum(space, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        plus = np.nan_to_num(g**2 / (2 * g**2 + total * g**3))
    weights = (np.maximum(g, 0) * plus).sum(space, keepdims=True)
    respond = np.divide((a * g).sum(space, keepdims=True), total, out=np.zeros_like(total), where=total > 1e-6)
    tubes = keras.ops.convert_to_numpy(end.kernel)[:, target].astype(float)
    return {
        "layer-grad-cam": (g.mean(space, keepdims=True) * a).sum(-1),
        "grad-cam-plus-plus": (weights * a).sum(-1),
        "hires-cam": (g * a).sum(-1),
        "respond-cam": (respond * a).sum(-1),
        **({"saliency-tubes": (tubes * a).sum(-1)} if len(tubes) == a.shape[-1] else {}),
    }


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("layer", ["last_conv", None])
def test_the_five_maps_are_those_of_keras_own_activations_and_gradients(tmp_path, axes, layer):
    model = files.classifier(axes, size=20)
    network = keras_network(files.saved(model, tmp_path))
    network.end_in_logits()
    image = np.random.default_rng(1).normal(size=(2, 1, *[20] * axes)).astype(np.float32)
    results = explain(network, torch.from_numpy(image), CAMS, 2, layer=layer)
    for name, expected in own_maps(model, "last_conv", image, 2).items():
        found = results[name].layer_values.numpy()
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        assert results[name].layer.startswith("last_conv")


def test_a_strided_layer_in_the_middle_is_read_by_its_keras_name(tmp_path):
    model = files.classifier(2, size=21)
    network = keras_network(files.saved(model, tmp_path))
    network.end_in_logits()
    image = np.random.default_rng(1).normal(size=(1, 1, 21, 21)).astype(np.float32)
    found = explain(network, torch.from_numpy(image), ["hires-cam", "layer-grad-cam"], 0, layer="stem_relu")
    expected = own_maps(model, "stem_relu", image, 0)
    for name, result in found.items():
        np.testing.assert_allclose(result.layer_values, expected[name], rtol=1e-4, atol=1e-7)


def applied(network, inputs) -> tuple[set[str], dict[str, str]]:
    parameters = {key: value for key, value in FEW.items() if key in IDS}
    found = explain(network, inputs, sorted(IDS), 1, parameters=parameters, skip_undefined=True)
    assert all(bool(torch.isfinite(result.signed).all()) for result in found.values())
    assert all(reason.hint for reason in found.undefined.values())
    return set(found), {key: reason.message for key, reason in found.undefined.items()}


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_all_methods_apply_to_a_translated_network(tmp_path, axes):
    network = keras_network(files.saved(files.classifier(axes, size=16), tmp_path))
    network.end_in_logits()
    done, undefined = applied(network, torch.randn(2, 1, *[16] * axes, generator=torch.Generator().manual_seed(0)))
    assert set(undefined) == (set() if axes == 2 else ONLY_2D)
    assert done == IDS - set(undefined)


def test_silu_leaves_out_the_methods_that_its_shape_does_not_allow(tmp_path):
    layers = keras.layers
    given = keras.Input((16, 16, 1))
    values = layers.Conv2D(6, 3, activation="silu", padding="same", name="last_conv")(given)
    gate = layers.Dense(6, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(values))
    model = keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Multiply()([values, gate]))))
    network = keras_network(files.saved(files.randomised(model), tmp_path))
    _, undefined = applied(network, torch.randn(1, 1, 16, 16))
    assert set(undefined) == {"guided-backprop", "guided-grad-cam", "deconvnet"}


def test_to_a_network_that_keras_runs_only_gradients_and_masks_apply(tmp_path):
    layers = keras.layers
    given = keras.Input((16, 16, 1))
    rows = layers.Reshape((16, 16))(layers.Conv2D(1, 3, padding="same", activation="relu")(given))
    model = files.randomised(keras.Model(given, layers.Dense(3, activation="softmax")(layers.GRU(4)(rows))))
    network = keras_network(files.saved(model, tmp_path))
    network.end_in_logits()
    done, undefined = applied(network, torch.randn(1, 1, 16, 16))
    assert done == BY_GRADIENT
    assert set(undefined) == IDS - BY_GRADIENT
    assert all("could not be translated (the layer 'GRU')" in reason for reason in undefined.values())


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_explaining_probabilities_is_explaining_their_log_odds(tmp_path, end):
    """Activation "none": the gradient of log p - log(1 - p), which of a sigmoid is that of the logit."""
    from saliency_viewer.domain import ScoreTarget

    content = files.saved(files.classifier(2, last=end, size=12), tmp_path)
    inputs = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    whole, cut = keras_network(content), keras_network(content)
    cut.end_in_logits()
    of_odds = explain(whole, inputs, "gradient", ScoreTarget("b", 1, 1.0, True))["gradient"].values
    leaf = inputs.clone().requires_grad_()
    logits = cut(leaf)
    p = torch.softmax(logits, 1)[0, 1] if end == "softmax" else torch.sigmoid(logits)[0, 1]
    (expected,) = torch.autograd.grad(torch.log(p) - torch.log1p(-p), [leaf])
    torch.testing.assert_close(of_odds, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("VGG16", 32),
        ("ResNet50", 64),
        ("ResNet50V2", 64),
        ("DenseNet121", 64),
        ("InceptionV3", 80),
        ("MobileNet", 64),
        ("MobileNetV2", 64),
        ("EfficientNetB0", 64),
        ("EfficientNetV2S", 64),
        ("Xception", 72),
        ("ConvNeXtTiny", 64),
    ],
)
def test_keras_own_applications_are_translated_and_explained(tmp_path, name, size):
    """Random weights and statistics; the translation itself is compared with Keras when the file is opened."""
    make = getattr(keras.applications, name)
    model = files.randomised(make(weights=None, input_shape=(size, size, 3), classes=3))
    network = keras_network(files.saved(model, tmp_path))
    assert "equal Keras' own" in network.notes[0]
    assert network.ending == "softmax"
    network.end_in_logits()
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 255
    found = explain(network, image, CAMS, 1, skip_undefined=True)
    assert set(CAMS) - set(found) <= {"saliency-tubes"}
    own = {"gradient", "lrp-epsilon-plus", "deep-lift"}
    others = explain(network, image, sorted(own), 1, skip_undefined=True)
    assert set(others) | set(others.undefined) == own
    assert "gradient" in others
