"""Keras files of every version."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile

import keras_files as files
import numpy as np
import pytest
import torch
from torch.nn import functional

from saliency_viewer.errors import UserError
from saliency_viewer.models import check_package, layer_tree, load_package
from saliency_viewer.models.from_keras import keras_network

keras = files.keras
# Keras' own, under NumPy 2.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]


def answer(model, inputs):
    """Keras' own, of (N, C, *spatial)."""
    return keras.ops.convert_to_numpy(model(np.moveaxis(inputs, 1, -1), training=False))


def noise(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@pytest.fixture
def package(tmp_path, make):
    """A folder with a card for a Keras file."""

    def write(content, name="network.keras", model="", **tables):
        folder = tmp_path / "package"
        folder.mkdir(exist_ok=True)
        card = f'name = "t"\narchitecture = "keras"\nweights = "{name}"\n{model}'
        tables.setdefault("output", 'classes = ["a", "b", "c"]')
        tables.setdefault("inputs", "size = [24, 24]")
        (folder / "model.toml").write_text(make.card_text(model=card, **tables))
        (folder / name).write_bytes(content)
        return folder

    return write


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", ["network.keras", "network.h5", "weights.safetensors"])
def test_the_content_decides_and_not_the_suffix(package, tmp_path, suffix, name):
    model = files.classifier()
    found = load_package(package(files.saved(model, tmp_path, suffix), name))
    inputs = noise(2, 1, 24, 24)
    ours = torch.softmax(found.network(torch.from_numpy(inputs)), 1)
    np.testing.assert_allclose(ours, answer(model, inputs), rtol=1e-4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_networks_of_any_dimension_are_torch_networks_with_kerass_names(tmp_path, axes):
    model = files.classifier(axes)
    network = keras_network(files.saved(model, tmp_path))
    inputs = noise(2, 1, *[24] * axes)
    np.testing.assert_allclose(network(torch.from_numpy(inputs)), answer(model, inputs), rtol=1e-4)
    names = dict(network.named_modules())
    assert {"stem", "stem_norm", "last_conv", "pool", "predictions"} <= names.keys()
    convolution = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[axes - 1]
    assert sum(type(module) is convolution for module in names.values()) == 2


def test_from_python_a_network_is_opened_by_its_place(tmp_path):
    import saliency_viewer as sv

    model = files.classifier(1)
    files.saved(model, tmp_path)
    image = noise(2, 1, 24)
    network = sv.keras_network(tmp_path / "network.keras")
    np.testing.assert_allclose(network(torch.from_numpy(image)), answer(model, image), rtol=1e-4)
    with pytest.raises(UserError, match="cannot be read"):
        sv.keras_network(str(tmp_path / "nothing.keras"))


def test_the_layer_tree_shows_kerass_layers(package, tmp_path):
    tree = layer_tree(load_package(package(files.saved(files.classifier(), tmp_path))))
    shapes = {node.path: node.output for node in tree.walk() if node.has_maps}
    assert shapes["last_conv"] == (8, 12, 12)
    assert "pool" not in shapes


@pytest.mark.parametrize(("last", "outputs"), [("softmax", 3), ("sigmoid", 3), ("sigmoid", 1)])
def test_the_cards_activation_takes_the_networks_own_off(package, tmp_path, last, outputs):
    model = files.classifier(classes=outputs, last=last)
    content = files.saved(model, tmp_path)
    image = noise(1, 1, 24, 24)
    probabilities = answer(model, image)
    for activation in (last, "none"):
        classes = ["a", "b", "c"][: max(outputs, 2)]
        found = load_package(package(content, output=f'classes = {classes}\nactivation = "{activation}"'))
        raw = found.network(torch.from_numpy(image)).double()
        if activation == "none":
            np.testing.assert_allclose(raw, probabilities, rtol=1e-4)
        else:
            inverse = torch.softmax(raw, 1) if last == "softmax" else torch.sigmoid(raw)
            np.testing.assert_allclose(inverse, probabilities, rtol=1e-4)
            assert abs(raw).max() > 0.01


def test_a_card_with_the_wrong_activation_is_told_the_right_one(package, tmp_path):
    content = files.saved(files.classifier(last="sigmoid"), tmp_path)
    with pytest.raises(UserError, match="ends with a sigmoid"):
        load_package(package(content, output='classes = ["a", "b", "c"]\nactivation = "softmax"'))
    one = files.saved(files.classifier(classes=1, last="sigmoid"), tmp_path)
    assert load_package(package(one, output='classes = ["a", "b"]')).outputs == 1  # the same with one output


def test_kerass_order_of_axes_in_the_card_changes_nothing(package, tmp_path):
    content = files.saved(files.classifier(), tmp_path)
    plain, said = (
        load_package(package(content, inputs=f'size = [24, 24]\norder = "{order}"')).network
        for order in ("channels_first", "channels_last")
    )
    image = torch.from_numpy(noise(1, 1, 24, 24))
    assert torch.equal(plain(image), said(image))


def test_images_without_an_axis_of_channels_and_inputs_of_any_size(tmp_path):
    layers = keras.layers
    given = keras.Input((None, None))
    values = layers.Conv2D(4, 3, activation="relu")(keras.ops.expand_dims(given, -1))
    model = keras.Model(given, layers.Dense(2)(layers.GlobalMaxPooling2D()(values)))
    network = keras_network(files.saved(files.randomised(model), tmp_path))
    image = noise(1, 1, 40, 31)
    expected = keras.ops.convert_to_numpy(model(image[:, 0]))
    np.testing.assert_allclose(network(torch.from_numpy(image)), expected, rtol=1e-4)


def test_one_of_several_outputs_is_chosen_by_name(package, tmp_path):
    layers = keras.layers
    given = keras.Input((24, 24, 1))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(given))
    ends = [layers.Dense(n, activation="softmax", name=name)(pooled) for n, name in ((2, "side"), (3, "finding"))]
    model = files.randomised(keras.Model(given, ends))
    content = files.saved(model, tmp_path)
    image = noise(1, 1, 24, 24)
    found = load_package(package(content, model='arguments = { output = "finding" }'))
    expected = keras.ops.convert_to_numpy(model(np.moveaxis(image, 1, -1))[1])
    np.testing.assert_allclose(torch.softmax(found.network(torch.from_numpy(image)), 1), expected, rtol=1e-4)
    with pytest.raises(UserError, match="no output 'findings'"):
        load_package(package(content, model='arguments = { output = "findings" }'))
    with pytest.raises(UserError, match="no argument 'outputs'"):
        load_package(package(content, model="arguments = { outputs = 1 }"))


def test_networks_trained_in_half_precision_compute_in_float32(tmp_path):
    layers = keras.layers
    policy = keras.DTypePolicy("mixed_float16")
    given = keras.Input((24, 24, 1))
    values = layers.GlobalAveragePooling2D(dtype=policy)(layers.Conv2D(4, 3, activation="relu", dtype=policy)(given))
    model = files.randomised(keras.Model(given, layers.Dense(2, dtype=policy)(values)))
    network = keras_network(files.saved(model, tmp_path))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert "equal Keras' own" in network.notes[0]


def test_an_unknown_layer_leaves_the_network_to_keras_itself(package, tmp_path):
    layers = keras.layers
    given = keras.Input((24, 24, 1))
    rows = layers.Reshape((24, 24))(given)
    model = files.randomised(keras.Model(given, layers.Dense(3, activation="softmax")(layers.LSTM(4)(rows))))
    folder = package(files.saved(model, tmp_path))
    found = load_package(folder)
    image = noise(2, 1, 24, 24)
    ours = torch.softmax(found.network(torch.from_numpy(image)), 1)
    np.testing.assert_allclose(ours, answer(model, image), rtol=1e-4)
    assert "the layer 'LSTM'" in "\n".join(check_package(folder))


def test_a_translation_that_answers_otherwise_is_not_used(tmp_path, monkeypatch):
    """As if a layer were translated wrongly."""
    from saliency_viewer.models.from_keras import weighted

    monkeypatch.setattr(weighted, "same_padding", lambda sizes, *_: [(1, 0)] * len(sizes))
    model = files.classifier()
    network = keras_network(files.saved(model, tmp_path))
    image = noise(1, 1, 24, 24)
    np.testing.assert_allclose(network(torch.from_numpy(image)), answer(model, image), rtol=1e-4)
    assert "differ from Keras' own" in network.notes[0]


def test_weights_that_are_no_numbers_are_named(tmp_path):
    model = files.classifier()
    model.get_layer("last_conv").bias.assign(np.full(8, np.nan, np.float32))
    with pytest.raises(UserError, match=r"not numbers.*last_conv/bias"):
        keras_network(files.saved(model, tmp_path))


def test_several_inputs_are_refused(tmp_path):
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], keras.layers.Dense(2)(keras.layers.Concatenate()([a, b])))
    with pytest.raises(UserError, match="2 inputs"):
        keras_network(files.saved(model, tmp_path))


def old_network():
    """A Keras 2 network with everything that Keras 3 reads otherwise, and its answer by torch's own functions."""
    random = np.random.default_rng(0)
    kernel, bias = random.normal(0, 0.4, (3, 3, 3, 4)), random.normal(size=4)
    deep, deep_bias = random.normal(0, 0.4, (3, 3, 4, 1)), random.normal(size=4)
    gamma, beta, mean = random.uniform(0.5, 1.5, 4), random.normal(size=4), random.normal(size=4)
    variance, dense, dense_bias = random.uniform(0.5, 1.5, 4), random.normal(size=(4, 2)), random.normal(size=2)
    every, turned = {"start": None, "stop": None, "step": None}, {"start": None, "stop": None, "step": -1}
    config = files.keras_2_model(
        files.keras_2_operator(
            "__operators__.getitem", "bgr", ("input_1", {"slice_spec": [{"class_name": "__ellipsis__"}, turned]})
        ),
        files.keras_2_operator("nn.bias_add", "shifted", ("bgr", {"bias": [1.0, 2.0, 3.0], "name": None})),
        files.keras_2_operator("math.truediv", "scaled", ("shifted", {"y": 2.0, "name": None})),
        files.keras_2_convolution("conv", "scaled", 4, activation="relu"),
        files.keras_2_convolution("deep", "conv", 0, "DepthwiseConv2D", strides=[2, 2]),
        files.keras_2_norm("norm", "deep", [3]),
        files.keras_2_layer("LeakyReLU", "leaky", "norm", alpha=0.25),
        files.keras_2_operator("__operators__.add", "sum", ("leaky", {"y": ["deep", 0, 0], "name": None})),
        files.keras_2_operator(
            "__operators__.getitem",
            "part",
            ("sum", {"slice_spec": [every, {"start": 1, "stop": None, "step": None}, every, every]}),
        ),
        files.keras_2_layer("GlobalAveragePooling2D", "pool", "part", data_format="channels_last"),
        files.keras_2_layer("Dense", "dense", "pool", units=2, activation="softmax", use_bias=True),
        output="dense",
    )
    weights = {
        "conv": {"kernel:0": kernel, "bias:0": bias},
        "deep": {"depthwise_kernel:0": deep, "bias:0": deep_bias},
        "norm": {"gamma:0": gamma, "beta:0": beta, "moving_mean:0": mean, "moving_variance:0": variance},
        "dense": {"kernel:0": dense, "bias:0": dense_bias},
    }

    def by_hand(x):
        t = [torch.from_numpy(np.asarray(v, np.float32)) for v in (kernel, bias, deep, deep_bias)]
        x = (x.flip(1) + torch.tensor([1.0, 2.0, 3.0])[None, :, None, None]) / 2
        x = functional.relu(functional.conv2d(x, t[0].permute(3, 2, 0, 1), t[1], padding=1))
        x = functional.pad(x, (0, 1, 0, 1))  # 12 and 10 are even: the odd cell goes behind
        x = deep_out = functional.conv2d(x, t[2].permute(2, 3, 0, 1), t[3], stride=2, groups=4)
        stats = [torch.from_numpy(np.asarray(v, np.float32)) for v in (mean, variance, gamma, beta)]
        x = functional.leaky_relu(functional.batch_norm(x, *stats, eps=0.001), 0.25) + deep_out
        x = x[:, :, 1:].mean((2, 3))
        return torch.softmax(x @ torch.from_numpy(dense).float() + torch.from_numpy(dense_bias).float(), 1)

    return config, weights, by_hand


@pytest.mark.parametrize("kind", ["Functional", "Model"])
def test_a_keras_2_file_answers_as_its_weights_say(kind):
    config, weights, by_hand = old_network()
    network = keras_network(files.keras_2_file(config | {"class_name": kind}, weights))
    image = torch.from_numpy(noise(2, 3, 10, 12))
    torch.testing.assert_close(network(image), by_hand(image), rtol=1e-4, atol=1e-6)
    assert "equal Keras' own" in network.notes[0]


def test_weights_alone_go_with_the_networks_description(package):
    config, weights, by_hand = old_network()
    content = files.keras_2_file(config, weights, whole=False)
    with pytest.raises(UserError, match="weights only"):
        keras_network(content)
    tables = {"inputs": "size = [10, 12]\nchannels = 3", "output": 'classes = ["a", "b"]\nactivation = "none"'}
    folder = package(content, "w.h5", 'arguments = { config = "network.json" }', **tables)
    (folder / "network.json").write_text(json.dumps({**config, "keras_version": "2.4.0", "backend": "tensorflow"}))
    image = torch.from_numpy(noise(2, 3, 10, 12))
    torch.testing.assert_close(load_package(folder).network(image), by_hand(image), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("named", [True, False])
def test_sequential_networks_of_keras_3(tmp_path, suffix, named):
    layers = keras.layers
    chain = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(2, activation="softmax")]
    model = keras.Sequential(([keras.Input((9, 8, 1))] if named else []) + chain)
    model.build((None, 9, 8, 1))
    network = keras_network(files.saved(files.randomised(model), tmp_path, suffix))
    image = noise(2, 1, 9, 8)
    np.testing.assert_allclose(network(torch.from_numpy(image)), answer(model, image), rtol=1e-4)
    assert network.ending == "softmax"
    assert "equal Keras' own" in network.notes[0]


@pytest.mark.parametrize("bare", [False, True])
def test_sequential_networks_of_keras_2(bare):
    layers = [
        files.keras_2_convolution("conv", "x", 4, activation="relu", batch_input_shape=[None, 10, 12, 3]),
        files.keras_2_layer("Flatten", "flat", data_format="channels_last"),
        files.keras_2_layer("Dense", "dense", units=2, activation="linear", use_bias=True),
    ]
    for layer in layers:
        del layer["name"], layer["inbound_nodes"]
    config = {"class_name": "Sequential", "config": layers if bare else {"name": "old", "layers": layers}}
    random = np.random.default_rng(0)
    kernel, bias, dense = random.normal(size=(3, 3, 3, 4)), random.normal(size=4), random.normal(size=(480, 2))
    weights = {
        "conv": {"kernel:0": kernel, "bias:0": bias},
        "dense": {"kernel:0": dense, "bias:0": np.zeros(2)},
    }
    image = torch.from_numpy(noise(2, 3, 10, 12))
    maps = functional.relu(
        functional.conv2d(
            image, torch.tensor(kernel).float().permute(3, 2, 0, 1), torch.tensor(bias).float(), padding=1
        )
    )
    expected = maps.movedim(1, -1).flatten(1) @ torch.tensor(dense).float()
    torch.testing.assert_close(
        keras_network(files.keras_2_file(config, weights))(image), expected, rtol=1e-4, atol=1e-4
    )


def hard(values):
    """As Keras 2 had it."""
    return np.clip(0.2 * values + 0.5, 0, 1)


@pytest.mark.parametrize("version", ["2.4.0", "1.2.2", None, "3.5.0"])
def test_the_hard_sigmoid_is_that_of_the_keras_that_wrote_the_file(version):
    config = files.keras_2_model(
        files.keras_2_layer("Activation", "hard", "input_1", activation="hard_sigmoid"),
        files.keras_2_layer("GlobalAveragePooling2D", "pool", "hard", data_format="channels_last"),
        output="pool",
    )

    def written(file):
        for place in (file, file["model_weights"]):
            del place.attrs["keras_version"]
            if version is not None:
                place.attrs["keras_version"] = version.encode()

    network = keras_network(files.changed_h5(files.keras_2_file(config, {}), written))
    image = noise(2, 3, 10, 12)
    expected = np.clip(image / 6 + 0.5, 0, 1) if version == "3.5.0" else hard(image)
    np.testing.assert_allclose(network(torch.from_numpy(image)), expected.mean((2, 3)), rtol=1e-4)
    assert "equal Keras' own" in network.notes[0]
    assert any("hard sigmoid" in note for note in network.notes) is (version != "3.5.0")


def test_a_recurrent_layer_of_keras_2_has_its_hard_sigmoid_too():
    config = files.keras_2_model(
        files.keras_2_layer("Reshape", "rows", "input_1", target_shape=[10, 36]),
        files.keras_2_layer("SimpleRNN", "rnn", "rows", units=2, activation="hard_sigmoid", use_bias=True),
        output="rnn",
    )
    random = np.random.default_rng(0)
    kernel, again, bias = random.normal(0, 0.4, (36, 2)), random.normal(size=(2, 2)), random.normal(size=2)
    inner = {"kernel:0": kernel, "recurrent_kernel:0": again, "bias:0": bias}
    image = noise(2, 3, 10, 12)
    state = np.zeros((2, 2))
    for row in range(10):
        state = hard(np.moveaxis(image, 1, -1)[:, row].reshape(2, 36) @ kernel + state @ again + bias)
    network = keras_network(files.keras_2_file(config, {"rnn": inner}))
    np.testing.assert_allclose(network(torch.from_numpy(image)), state, rtol=1e-4)


def test_an_archive_of_keras_2_says_its_version_beside_its_description(tmp_path):
    layers = keras.layers
    given = keras.Input((8, 8, 1))
    model = keras.Model(given, layers.GlobalAveragePooling2D()(layers.Activation("hard_sigmoid")(given)))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files.saved(model, tmp_path))) as new, zipfile.ZipFile(out, "w") as old:
        for name in new.namelist():
            old.writestr(name, b'{"keras_version": "2.15.0"}' if name == "metadata.json" else new.read(name))
    image = noise(1, 1, 8, 8)
    np.testing.assert_allclose(
        keras_network(out.getvalue())(torch.from_numpy(image)), hard(image).mean((2, 3)), rtol=1e-4
    )


def test_an_unknown_operator_of_tensorflow_is_named():
    config = files.keras_2_model(files.keras_2_operator("linalg.svd", "odd", ("input_1", {})), output="odd")
    with pytest.raises(UserError, match="operator of TensorFlow") as caught:
        keras_network(files.keras_2_file(config, {}))
    assert "linalg.svd" in caught.value.detail


# What a file could try. Every attack would leave a mark: a file, or a module that was imported.


def test_importing_keras_leaves_the_users_environment_alone(tmp_path):
    """In a process of its own: no ~/.keras, no variables, no random numbers drawn, and another backend is kept."""
    import subprocess

    content = tmp_path / "n.keras"
    content.write_bytes(files.saved(files.classifier(), tmp_path))
    code = f"""
import os, pathlib, random, warnings
warnings.simplefilter("error")
before, seed = dict(os.environ), random.getstate()
from saliency_viewer.models.from_keras import keras_network
network = keras_network(pathlib.Path({str(content)!r}).read_bytes())
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert random.getstate() == seed
import keras
assert keras.backend.backend() == "torch"
assert keras.config.image_data_format() == "channels_last"
"""
    home = tmp_path / "home"
    (home / ".keras").mkdir(parents=True)
    (home / ".keras" / "keras.json").write_text('{"backend": "jax", "image_data_format": "channels_first"}')
    environment = {**os.environ, "HOME": str(home), "KERAS_BACKEND": "jax"}
    environment.pop("KERAS_HOME", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in (home / ".keras").iterdir()] == ["keras.json"]


def test_a_missing_library_is_named_with_its_cure(monkeypatch, tmp_path):
    content = files.saved(files.classifier(), tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match="needs Keras 3 and h5py") as caught:
        keras_network(content)
    assert "saliency-viewer[keras]" in caught.value.hint


def test_logits_behind_a_removed_sigmoid_are_not_taken_for_probabilities(package, tmp_path):
    from saliency_viewer.models.checking import check_files
    from saliency_viewer.models.files import open_files

    inputs = keras.Input((24, 24, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("tanh")(inputs))
    head = keras.layers.Dense(3, activation="sigmoid", kernel_initializer=keras.initializers.Constant(0.1))
    model = keras.Model(inputs, head(pooled))
    model.layers[-1].bias.assign([0.5] * 3)
    output = 'classes = ["a", "b", "c"]\nactivation = "sigmoid"'
    report = check_files(open_files(package(files.saved(model, tmp_path), output=output)))
    assert [finding.message for finding in report.findings if "end in a" in finding.message] == []
    assert report.classifier.network.ending_taken_off
