"""Networks recognised by the names and shapes of their weights."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.recognition import inspect_checkpoint, recognise, shapes_of
from saliency_viewer.models.recognition.blueprints import _no_memory

tv = torchvision.models
NAMES = tv.list_models(module=tv)
FAMILIES = sorted({tv.get_model_builder(name).__module__.rpartition(".")[2] for name in NAMES})


def of_torchvision(name, **arguments):
    slow = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    with _no_memory():
        return tv.get_model(name, weights=None, **slow, **arguments)


def changed(network, **modules):
    """The network with other modules at ``a__b`` for ``a.b``."""
    for path, module in modules.items():
        parent, _, name = path.replace("__", ".").rpartition(".")
        setattr(network.get_submodule(parent), name, module)
    return network


def first(state):
    return recognise(shapes_of(state.state_dict() if isinstance(state, nn.Module) else state))[0]


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def saved(thing):
    stream = io.BytesIO()
    torch.save(thing, stream)
    return stream.getvalue()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_classifier_of_torchvision_is_recognised_with_its_classes(family):
    for name in NAMES:
        if tv.get_model_builder(name).__module__.rpartition(".")[2] != family:
            continue
        found = first(of_torchvision(name, num_classes=3))
        assert (found.architecture, found.outputs, found.channels) == (f"torchvision:{name}", 3, 3)
        assert found.complete
        assert found.arguments["num_classes"] == 3


def test_of_networks_with_the_same_names_the_shapes_decide():
    ranked = recognise(shapes_of(of_torchvision("wide_resnet50_2", num_classes=2).state_dict()))
    assert ranked[0].architecture == "torchvision:wide_resnet50_2"
    others = [one for one in ranked[1:] if one.architecture.startswith("torchvision:")]
    assert not any(one.complete for one in others)


MLP = [nn.Linear(512, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 4)]
NAMED = OrderedDict(fc1=nn.Linear(1024, 500), relu=nn.ReLU(), fc2=nn.Linear(500, 102), output=nn.LogSoftmax(1))
CHANGES = {
    "one channel": (
        "resnet18",
        {"conv1": nn.Conv2d(1, 64, 7, 2, 3, bias=False)},
        {"num_classes": 1000, "in_channels": 1},
    ),
    "dropout": (
        "resnet18",
        {"fc": nn.Sequential(nn.Dropout(), nn.Linear(512, 4))},
        {"head": {"fc": ["dropout", "linear 4"]}},
    ),
    "several layers": (
        "resnet18",
        {"fc": nn.Sequential(*MLP)},
        {"head": {"fc": ["linear 64", "batchnorm", "relu", "dropout", "linear 4"]}},
    ),
    "linear and sigmoid": (
        "densenet121",
        {"classifier": nn.Sequential(nn.Linear(1024, 14), nn.Sigmoid())},
        {"head": {"classifier": ["linear 14"]}},
    ),
    "named layers": (
        "densenet121",
        {"classifier": nn.Sequential(NAMED)},
        {"head": {"classifier": {"fc1": "linear 500", "relu_1": "relu", "fc2": "linear 102"}}},
    ),
    "plain for a sequence": (
        "efficientnet_b0",
        {"classifier": nn.Linear(1280, 2)},
        {"head": {"classifier": "linear 2"}},
    ),
    "inside a sequence": (
        "convnext_tiny",
        {"classifier__2": nn.Sequential(nn.Dropout(), nn.Linear(768, 2))},
        {"head": {"classifier.2": ["dropout", "linear 2"]}},
    ),
    "main head alone": (
        "inception_v3",
        {"fc": nn.Linear(2048, 2)},
        {"num_classes": 1000, "head": {"fc": "linear 2"}, "aux_logits": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "modules", "arguments"), CHANGES.values(), ids=CHANGES.keys())
def test_usual_changes_become_arguments_that_give_the_same_network(name, modules, arguments):
    found = first(changed(of_torchvision(name), **modules))
    assert found.architecture == f"torchvision:{name}"
    assert found.arguments == arguments
    assert found.complete


def test_a_transformers_grid_says_its_image_size():
    found = first(of_torchvision("vit_b_16", image_size=384, num_classes=2))
    assert found.arguments == {"num_classes": 2, "image_size": 384}
    assert found.size == (384, 384)


def test_auxiliary_heads_are_noticed_when_they_are_gone():
    found = first(of_torchvision("googlenet", num_classes=2, aux_logits=False))
    assert found.arguments == {"num_classes": 2, "aux_logits": False}


def test_a_head_that_is_no_chain_of_layers_is_said_to_need_words():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(512, 8), nn.Bilinear(8, 8, 2)

    found = first(changed(of_torchvision("resnet18"), fc=Gate()))
    assert found.architecture == "torchvision:resnet18"
    assert not found.complete
    assert "python:" in found.notes[0]


WRAPS = {
    "data parallel": lambda s: prefixed(s, "module."),
    "lightning, with a metric": lambda s: {**prefixed(s, "model."), "loss.weight": torch.ones(2)},
    "a class of one's own": lambda s: prefixed(s, "module.densenet121."),
    "deep": lambda s: {**prefixed(s, "encoder.inner."), "projection.weight": torch.ones(2, 2)},
    "names of 2017": lambda s: {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
        for key, value in s.items()
        if "num_batches" not in key
    },
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_prefixes_and_old_names_do_not_hide_a_network(wrap):
    found = first(wrap(of_torchvision("densenet121", num_classes=2).state_dict()))
    assert found.architecture == "torchvision:densenet121"
    assert found.complete


MONAI = [
    ("DenseNet121", {"in_channels": 1, "out_channels": 2}),
    ("DenseNet264", {"in_channels": 1, "out_channels": 2}),
    ("DenseNet169", {"in_channels": 1, "out_channels": 2, "init_features": 8, "growth_rate": 4}),
    ("DenseNet", {"in_channels": 2, "out_channels": 3, "block_config": [2, 4], "bn_size": 2}),
    ("resnet10", {"n_input_channels": 1, "num_classes": 2, "shortcut_type": "A"}),
    ("resnet50", {"n_input_channels": 1, "num_classes": 2}),
    ("resnet200", {"n_input_channels": 1, "num_classes": 2, "bias_downsample": False}),
    ("SEResNet50", {"in_channels": 1, "num_classes": 2}),
    ("SEResNext101", {"in_channels": 1, "num_classes": 2}),
    ("SENet154", {"in_channels": 1, "num_classes": 2}),
    ("EfficientNetBN", {"model_name": "efficientnet-b0", "in_channels": 1, "num_classes": 2}),
    ("EfficientNetBN", {"model_name": "efficientnet-b7", "in_channels": 1, "num_classes": 2}),
]


@pytest.mark.parametrize(
    ("name", "arguments", "dimensions"),
    [(*one, 3) for one in MONAI] + [(*MONAI[k], dimensions) for k in (0, 4, 7, 10) for dimensions in (1, 2)],
)
def test_monais_classifiers_are_recognised_in_every_dimension(name, arguments, dimensions):
    from monai.networks import nets

    never = {"pretrained": False} if name == "EfficientNetBN" else {}
    with _no_memory():
        network = getattr(nets, name)(spatial_dims=dimensions, **arguments, **never)
    found = first(network)
    assert (found.architecture, found.dimensions) == (f"monai:{name}", dimensions)
    defaults = {"init_features": 64, "growth_rate": 32}
    assert {**defaults, **found.arguments} == {**defaults, "spatial_dims": dimensions, **arguments}
    assert found.complete


def test_monais_transformer_gives_its_size_away():
    from monai.networks.nets import ViT

    with _no_memory():
        network = ViT(1, (48, 48, 48), (16, 16, 16), 128, 256, 4, 2, classification=True, num_classes=3)
    found = first(network)
    assert (found.architecture, found.size, found.outputs) == ("monai:ViT", (48, 48, 48), 3)
    assert found.complete


@pytest.mark.parametrize(
    ("name", "arguments", "alike"),
    [
        ("resnet26d", {"num_classes": 2}, ""),
        ("efficientnetv2_rw_t", {"num_classes": 3, "in_chans": 1}, ""),
        ("tf_efficientnet_b0", {"num_classes": 2}, "efficientnet_b0"),
        ("vit_tiny_patch16_384", {"num_classes": 2}, ""),
        ("convnextv2_atto", {"num_classes": 2, "in_chans": 1}, ""),
        ("swinv2_cr_tiny_224", {"num_classes": 2}, ""),
        ("mobilenetv4_conv_small", {"num_classes": 4}, ""),
    ],
)
@pytest.mark.parametrize("prefix", ["", "model.backbone."])
def test_networks_of_timm_are_found_by_their_fingerprint(name, arguments, alike, prefix):
    timm = pytest.importorskip("timm")
    with _no_memory():
        network = timm.create_model(name, pretrained=False, **arguments)
    ranked = recognise(shapes_of(prefixed(network.state_dict(), prefix)))
    assert all(one.complete and one.arguments == arguments for one in ranked if one.architecture == f"timm:{name}")
    names = [one.architecture for one in ranked if one.complete]
    assert f"timm:{name}" in names
    assert not alike or f"timm:{alike}" in names
    assert not alike or alike in " ".join(note for one in ranked for note in one.notes)


def test_our_own_small_network_is_recognised():
    from saliency_viewer.models.builtin import SmallCNN

    found = first(SmallCNN(3, in_channels=1, num_classes=2, width=8, downsamplings=2))
    assert found.architecture == "builtin:small-cnn-3d"
    assert found.arguments == {"in_channels": 1, "num_classes": 2, "width": 8, "downsamplings": 2}


def test_nothing_is_downloaded(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise AssertionError("tried to download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    monkeypatch.setattr("torch.utils.model_zoo.load_url", no_network)
    from monai.networks.nets import EfficientNetBN

    with _no_memory():
        network = EfficientNetBN("efficientnet-b1", pretrained=False, spatial_dims=2)
    assert first(network).architecture == "monai:EfficientNetBN"


def test_a_checkpoint_says_its_classes_and_what_is_broken():
    state = of_torchvision("squeezenet1_1", num_classes=2).state_dict()
    state = {key: torch.zeros(value.shape) for key, value in state.items()}
    found = inspect_checkpoint(saved({"state_dict": state, "class_to_idx": {"sick": 1, "well": 0}}))
    assert found.recognised
    assert found.classes == ("well", "sick")
    assert found.tensors == 52
    assert found.numbers == sum(value.numel() for value in state.values())


def test_an_unknown_network_is_described_by_its_shapes():
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Flatten(), nn.Linear(4, 7))
    found = inspect_checkpoint(saved(network.state_dict()))
    assert not found.recognised
    assert (found.outline.outputs, found.outline.dimensions, found.outline.channels) == (7, 3, 1)


# Programs


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))


def torchscript():
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(Plain().eval(), torch.zeros(1, 1, 24, 32)), stream)
    return stream.getvalue()


def exported():
    stream = io.BytesIO()
    torch.export.save(torch.export.export(Plain().eval(), (torch.zeros(1, 1, 24, 32),)), stream)
    return stream.getvalue()


def onnx():
    helper = pytest.importorskip("onnx.helper")
    numbers = helper.TensorProto.FLOAT if hasattr(helper, "TensorProto") else 1
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", numbers, [1, 1, 24, 32])],
        [helper.make_tensor_value_info("y", numbers, [1, 3])],
    )
    return helper.make_model(graph, producer_name="test").SerializeToString()


KERAS = {
    "class_name": "Sequential",
    "config": {
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 24, 32, 1]}},
            {"class_name": "Dense", "config": {"units": 8, "activation": "relu"}},
            {"class_name": "Dense", "config": {"units": 3, "activation": "softmax"}},
        ]
    },
}


def keras():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", json.dumps(KERAS))
        archive.writestr("model.weights.h5", b"")
    return stream.getvalue()


def keras_old():
    h5py = pytest.importorskip("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["model_config"] = json.dumps(KERAS).replace("batch_shape", "batch_input_shape")
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, and says so at every call
@pytest.mark.parametrize(
    ("make", "architecture", "size"),
    [
        (torchscript, "torchscript", ()),
        (exported, "exported", (24, 32)),
        (onnx, "onnx", (24, 32)),
        (keras, "keras", (24, 32)),
        (keras_old, "keras", (24, 32)),
    ],
)
def test_programs_are_told_by_their_content(make, architecture, size):
    found = inspect_checkpoint(make())
    best = found.best
    assert (best.architecture, best.outputs, best.dimensions, best.channels) == (architecture, 3, 2, 1)
    assert best.size == size
    assert found.form.architecture == architecture
    assert best.activation == ("softmax" if architecture == "keras" else "")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [torchscript, exported, keras])
def test_a_program_whose_description_is_damaged_is_still_named(make):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make())) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            broken = name.endswith((".json", "data.pkl"))
            target.writestr(name, b"{" if broken else source.read(name))
    assert inspect_checkpoint(stream.getvalue()).best.outputs == 0


def test_a_package_and_a_pickle_are_refused_in_words():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("p/model.toml", "")
    with pytest.raises(UserError, match="model package already"):
        inspect_checkpoint(stream.getvalue())
    with pytest.raises(UserError, match="pickled") as caught:
        inspect_checkpoint(saved(nn.Linear(2, 2)))
    assert "state_dict()" in caught.value.hint


def with_values(network):
    return saved({key: torch.zeros(value.shape, dtype=value.dtype) for key, value in network.state_dict().items()})


@pytest.mark.parametrize(("name", "digest"), [("inception_v3", "0cc3c7bd"), ("googlenet", "1378be20")])
def test_torchvisions_own_weights_are_told_by_their_bytes_and_nobody_elses(name, digest, monkeypatch):
    from saliency_viewer.models.recognition import published

    content = with_values(of_torchvision(name))
    trained = inspect_checkpoint(content).best
    assert "transform_input" not in trained.arguments
    assert published.is_open(trained)
    assert "If its training began" in trained.notes[-1]
    assert published._digests(name) == (digest,)  # as torchvision names its files
    own = hashlib.sha256(content).hexdigest()[:8]
    monkeypatch.setattr(published, "_digests", lambda asked: (own,) if asked == name else ())
    found = inspect_checkpoint(content).best
    assert found.arguments["transform_input"] is True
    assert not published.is_open(found)
    assert "torchvision's own ImageNet weights" in found.notes[-1]
    assert "transform_input" not in inspect_checkpoint(content + b" ").best.arguments


def test_only_networks_of_three_channels_can_rescale_their_input():
    from saliency_viewer.models.recognition import published

    grey = changed(
        of_torchvision("googlenet", num_classes=2, aux_logits=False), conv1__conv=nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    )
    found = inspect_checkpoint(with_values(grey)).best
    assert (found.architecture, found.channels, found.notes) == ("torchvision:googlenet", 1, ())
    assert not published.is_open(found)
    assert not published.is_open(first(of_torchvision("resnet18", num_classes=2)))
