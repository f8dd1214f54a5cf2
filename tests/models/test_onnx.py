"""Networks out of ONNX files against the torch networks that were exported, and against ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_files as files
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from saliency_viewer.attribution import explain
from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package
from saliency_viewer.models.checking import check_files
from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.making import draft_card, package_of, write_new
from saliency_viewer.models.programs.block import FixedBatch
from saliency_viewer.models.recognition.inspection import inspect_checkpoint, read_checkpoint

GENERATOR = torch.Generator().manual_seed(0)
SIZE = (3, 32, 32)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width):
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(self.pool(x)))


class Residual(nn.Module):
    def __init__(self, width, activation):
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.activation, self.gate = activation, Gate(width)

    def forward(self, x):
        return x + self.gate(self.activation(self.conv(self.norm(x))))


class Convolutional(nn.Module):
    """What classifiers are made of, with names."""

    def __init__(self, activations=(nn.SiLU, nn.Hardswish)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.blocks = nn.Sequential(*(Residual(8, activation()) for activation in activations))
        self.average = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.last = nn.Conv2d(8, 12, (3, 1), dilation=(2, 1), padding=(2, 0))
        self.relu, self.dropout, self.head = nn.ReLU6(), nn.Dropout(), nn.Linear(12, 3)

    def forward(self, x):
        x = self.relu(self.last(self.average(self.blocks(self.pool(self.stem(x))))))
        return self.head(self.dropout(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)))


class Tokens(nn.Module):
    """A transformer with a class token, written out."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.heads, self.patches = heads, nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width, generator=GENERATOR))
        self.place = nn.Parameter(torch.randn(1, 17, width, generator=GENERATOR))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.head = nn.Linear(width, 3)

    def attention(self, x):
        count, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5, -1)
        return self.out((weights @ v).transpose(1, 2).reshape(count, tokens, width))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        x = x + self.attention(self.before(x))
        return self.head((x + self.mlp(self.after(x)))[:, 0])


NETWORKS = {"convolutional": Convolutional, "tokens": Tokens}


def made(kind) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return files.randomised(kind()).requires_grad_(False)


def images(count: int, *shape: int) -> torch.Tensor:
    return torch.randn(count, *(shape or SIZE), generator=torch.Generator().manual_seed(1))


def agree(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("opset", [11, 13, 17, 18])
@pytest.mark.parametrize("kind", NETWORKS.values(), ids=NETWORKS)
def test_an_exported_network_answers_as_before_for_any_number_of_images(kind, opset, dynamic):
    network = made(kind)
    content = files.exported(network, images(2 if dynamic else 1), opset, dynamic)
    found = files.read(content, (1, *SIZE))
    assert not isinstance(found, FixedBatch)
    agree(found(images(3)), network(images(3)))
    runtime = files.runtime(content, images(1).numpy()) if not dynamic else files.runtime(content, images(3).numpy())
    agree(found(images(3))[: len(runtime[0])], torch.from_numpy(runtime[0]))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", NETWORKS.values(), ids=NETWORKS)
def test_a_network_exported_for_several_images_takes_any_number(kind, count):
    network = made(kind)
    found = files.read(files.exported(network, images(count), 17), (1, *SIZE))
    for number in (1, 2, 5):
        agree(found(images(number)), network(images(number)))


@pytest.mark.parametrize("opset", [17, 18])
def test_layers_have_the_names_and_classes_that_they_had(opset):
    network = made(Convolutional)
    found = dict(files.read(files.exported(network, images(1), opset), (1, *SIZE)).named_modules())
    kept = (nn.Conv2d, nn.Linear, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.BatchNorm2d)
    wanted = {name: module for name, module in network.named_modules() if isinstance(module, kept)}
    del wanted["stem.1"]  # exporters fold it into the convolution before it
    for name, module in wanted.items():
        assert isinstance(found[name], type(module)), name
    for name in ("stem.0", "last"):
        assert found[name].stride == network.get_submodule(name).stride
    torch.testing.assert_close(found["last"].weight.data, network.last.weight.data)
    torch.testing.assert_close(found["blocks.1.norm"].running_var, network.blocks[1].norm.running_var)


def torchvision_resnet():
    from torchvision.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3)


def torchvision_densenet():
    from torchvision.models.densenet import DenseNet

    return DenseNet(8, (2, 2), 8, num_classes=3)


def torchvision_mobilenet():
    from torchvision.models.mobilenetv2 import MobileNetV2

    return MobileNetV2(3, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2]])


def torchvision_convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)], layer_scale=1.0, num_classes=3)


def torchvision_swin():
    from torchvision.models.swin_transformer import SwinTransformer

    return SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=3)


def monai_densenet():
    from monai.networks.nets import DenseNet

    return DenseNet(3, 1, 2, init_features=8, growth_rate=4, block_config=(2, 2))


@pytest.mark.parametrize(
    ("kind", "opset", "shape"),
    [
        (torchvision_resnet, 13, SIZE),
        (torchvision_densenet, 18, SIZE),
        (torchvision_mobilenet, 11, SIZE),
        (torchvision_convnext, 17, SIZE),
        (torchvision_convnext, 11, SIZE),
        (torchvision_swin, 17, SIZE),
        (monai_densenet, 17, (1, 16, 20, 24)),
        (monai_densenet, 18, (1, 16, 20, 24)),
    ],
)
def test_miniatures_of_published_networks_answer_as_before(kind, opset, shape):
    network = made(kind)
    found = files.read(files.exported(network, images(1, *shape), opset), (1, *shape))
    agree(found(images(3, *shape)), network(images(3, *shape)))
    kinds = (nn.Conv2d, nn.Conv3d)
    own, theirs = (
        {name for name, module in one.named_modules() if isinstance(module, kinds)} for one in (network, found)
    )
    assert own == theirs


METHODS = (
    *("gradient", "integrated-gradients", "guided-backprop", "layer-grad-cam", "hires-cam", "grad-cam-plus-plus"),
    *("lrp-epsilon-plus", "deep-lift", "excitation-backprop"),
)


@pytest.mark.parametrize("opset", [13, 18])
def test_every_kind_of_method_gives_the_maps_of_the_network_that_was_exported(opset):
    """Rules of LRP see the same layers: the batch norms stand before the convolutions, where nothing folds them."""

    class Rectified(Convolutional):
        def __init__(self):
            super().__init__((nn.ReLU, nn.ReLU))
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
            self.relu = nn.ReLU()

    network = made(Rectified)
    found = files.read(files.exported(network, images(1), opset), (1, *SIZE))
    layer = "blocks.1.conv"
    ours = explain(found, images(2), METHODS, 1, layer=layer, seed=3)
    theirs = explain(network, images(2), METHODS, 1, layer=layer, seed=3)
    for name in METHODS:
        agree(ours[name].signed, theirs[name].signed, 1e-4)


def test_a_transformers_gradient_is_that_of_the_network_that_was_exported():
    network = made(Tokens)
    found = files.read(files.exported(network, images(1), 17), (1, *SIZE))
    for name in ("gradient", "hires-cam"):
        ours, theirs = (explain(one, images(2), name, 1, layer="patches")[name] for one in (found, network))
        agree(ours.signed, theirs.signed, 1e-4)


def test_half_precision_is_computed_in_float32():
    network = made(Convolutional).half()
    content = files.exported(network, images(1).half(), 17)
    found = files.read(content, (1, *SIZE))
    assert {one.dtype for one in found.parameters()} == {torch.float32}
    agree(found(images(2)), network.float()(images(2)), 2e-3)  # the stem's folded weights were rounded anew


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def channels_last() -> bytes:
    """As converters from TensorFlow write it: channels last between the convolutions, and arithmetic for layers."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["t0"], perm=[0, 3, 1, 2]),
        node("Conv", ["t0", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2], name="model/conv/Conv2D"),
        node("Transpose", ["c"], ["t1"], perm=[0, 2, 3, 1]),
        node("Mul", ["t1", "scale"], ["m"]),
        node("Add", ["m", "shift"], ["a"]),
        node("Relu", ["a"], ["r"], name="model/relu/Relu"),
        node("Transpose", ["r"], ["t2"], perm=[0, 3, 1, 2]),
        node("MaxPool", ["t2"], ["p"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Transpose", ["p"], ["t3"], perm=[0, 2, 3, 1]),
        node("ReduceMean", ["t3"], ["g"], axes=[1, 2], keepdims=0),
        node("MatMul", ["g", "matrix"], ["l"], name="model/dense/MatMul"),
        node("Add", ["l", "bias"], ["y"]),
    ]
    constants = {"w": floats(6, 3, 3, 3), "scale": floats(6), "shift": floats(6)}
    constants |= {"matrix": floats(6, 2), "bias": floats(2)}
    return files.model(nodes, ["batch", 16, 12, 3], constants, 13).SerializeToString()


CARD = """[model]
name = "n"
architecture = "onnx"
weights = "net.onnx"
[output]
classes = ["a", "b"]
[input]
channels = 3
size = [16, 12]
order = "channels_last"
"""


def test_a_network_that_takes_channels_last_is_explained_channels_first(tmp_path):
    (tmp_path / "model.toml").write_text(CARD, encoding="utf-8")
    (tmp_path / "net.onnx").write_bytes(channels_last())
    network = load_package(tmp_path).network
    given = images(2, 3, 16, 12)
    expected = files.runtime(channels_last(), given.movedim(1, -1).contiguous().numpy())[0]
    agree(network(given), torch.from_numpy(expected))
    found = explain(network, given, METHODS, 1, layer="model.conv")
    assert all(bool(one.signed.isfinite().all()) and float(one.signed.abs().max()) > 0 for one in found.values())
    assert found["gradient"].values.shape == given.shape
    assert found["layer-grad-cam"].layer_values.shape[-2:] == (8, 6)


def test_equal_tensors_that_a_file_stores_once_are_statistics_and_parameters_alike():
    """The mean of one normalisation is the bias of the other, and its own too."""
    node = helper.make_node
    nodes = [
        node("Identity", ["zeros"], ["mean"]),
        node("BatchNormalization", ["x", "ones", "mean", "mean", "ones"], ["a"], name="/first/BatchNormalization"),
        node("Conv", ["a", "w"], ["c"], name="/conv/Conv"),
        node("BatchNormalization", ["c", "ones", "zeros", "zeros", "ones"], ["b"], name="/second/BatchNormalization"),
        node("GlobalAveragePool", ["b"], ["p"]),
        node("Flatten", ["p"], ["y"]),
    ]
    constants = {"zeros": 0.1 * floats(3), "ones": 1 + abs(floats(3)), "w": floats(3, 3, 2, 2)}
    content = files.model(nodes, [1, 3, 9, 9], constants).SerializeToString()
    found = files.read(content, (1, 3, 9, 9))
    agree(found(images(1, 3, 9, 9)), torch.from_numpy(files.runtime(content, images(1, 3, 9, 9).numpy())[0]))
    assert all(isinstance(found.get_submodule(name), nn.BatchNorm2d) for name in ("first", "second"))


def test_shape_arithmetic_is_done_while_reading():
    """Sizes from the image's shape, as exporters write ``x.view(x.size(0), -1)``, and constants of every making."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "first"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Constant", [], ["rest"], value_ints=[-1]),
        node("Concat", ["n1", "rest"], ["sizes"], axis=0),
        node("Reshape", ["x", "sizes"], ["flat"]),
        node("ConstantOfShape", ["width"], ["half"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])),
        node("Range", ["zero", "end", "one"], ["steps"]),
        node("Cast", ["steps"], ["weights"], to=1),
        node("Constant", [], ["two"], value_float=2.0),
        node("Div", ["weights", "two"], ["halved"]),
        node("Greater", ["flat", "half"], ["above"]),
        node("Not", ["above"], ["below"]),
        node("And", ["above", "yes"], ["one_of"]),
        node("Or", ["one_of", "no"], ["any"]),
        node("Xor", ["any", "below"], ["always"]),
        node("Where", ["above", "halved", "half"], ["chosen"]),
        node("Where", ["always", "chosen", "half"], ["sure"]),
        node("Mul", ["flat", "sure"], ["y"]),
    ]
    constants = {"first": np.asarray(0), "axis": np.asarray([0]), "width": np.asarray([12]), "zero": np.asarray(0)}
    constants |= {"end": np.asarray(12), "one": np.asarray(1), "yes": np.asarray(True), "no": np.asarray(False)}
    content = files.model(nodes, ["batch", 3, 4], constants).SerializeToString()
    found = files.read(content, (1, 3, 4))
    given = images(4, 3, 4)
    agree(found(given), torch.from_numpy(files.runtime(content, given.numpy())[0]))


def test_of_several_answers_the_first_counts():
    node = helper.make_node
    nodes = [
        node("GlobalAveragePool", ["x"], ["p"]),
        node("Flatten", ["p"], ["y"]),
        node("Softmax", ["y"], ["probabilities"]),
    ]
    content = files.model(nodes, [1, 3, 4, 4], outputs=("y", "probabilities")).SerializeToString()
    first, second = files.read(content, (1, 3, 4, 4))(images(2, 3, 4, 4))
    agree(first, images(2, 3, 4, 4).mean((2, 3)))
    agree(second, first.softmax(1))


class Probabilities(nn.Module):
    """Ends in what turns logits into probabilities, inside a module."""

    def __init__(self, end):
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), end)

    def forward(self, x):
        return self.head(x)


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize(
    ("name", "end"), [("softmax", nn.Softmax(1)), ("softmax", nn.Softmax(-1)), ("sigmoid", nn.Sigmoid())]
)
def test_the_last_activation_is_known_and_taken_off(name, end, opset):
    network = made(lambda: Probabilities(end))
    found = files.read(files.exported(network, images(1), opset), (1, *SIZE))
    assert found.ending == name
    agree(found(images(2)), network(images(2)))
    found.end_in_logits()
    assert found.ending == ""
    agree(found(images(2)), network.head[:-1](images(2)))


def test_an_activation_over_the_images_is_no_last_activation():
    network = made(lambda: Probabilities(nn.Softmax(0)))
    assert files.read(files.exported(network, images(1), 17), (1, *SIZE)).ending == ""
    with pytest.raises(UserError, match="depends on the others"):
        files.read(files.exported(network, images(2), 17), (1, *SIZE))
    assert files.read(files.exported(made(Convolutional), images(1), 17), (1, *SIZE)).ending == ""


def test_a_card_for_a_new_package_says_what_the_file_shows():
    last = draft(channels_last())
    assert (last.input.order, last.input.size, last.input.channels) == ("channels_last", (16, 12), 3)
    assert len(last.output.classes) == 2
    first = draft(files.exported(made(lambda: Probabilities(nn.Sigmoid())), images(1), 17))
    assert (first.input.order, first.input.size, first.output.activation) == ("channels_first", (32, 32), "sigmoid")
    assert len(first.output.classes) == 3


def draft(content: bytes):
    inspection = inspect_checkpoint(content)
    return draft_card(inspection, inspection.best)


def test_a_package_made_of_a_file_with_data_beside_it_is_checked_and_explained(tmp_path):
    """As a user does it: export, make a package, load it, explain; the probability is that of the torch network."""
    network = made(lambda: Probabilities(nn.Softmax(1)))
    exported = onnx.load_model_from_string(files.exported(network, images(1), 18))
    onnx.save(exported, tmp_path / "net.onnx", save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    assert (tmp_path / "net.onnx.data").stat().st_size > 400
    content = read_checkpoint(tmp_path / "net.onnx")
    package = package_of(content, replace(draft(content), name="n"))
    report = check_files(MemoryFiles(package))
    assert report.good, report.findings
    write_new(tmp_path / "package", package)
    classifier = load_package(tmp_path / "package")
    agree(classifier.network(images(2)), network.head[:-1](images(2)))
    result = explain(classifier.network, images(2), "layer-grad-cam", 1, layer="head.0")["layer-grad-cam"]
    expected = explain(network.head[:-1], images(2), "layer-grad-cam", 1, layer="0")["layer-grad-cam"]
    agree(result.signed, expected.signed, 1e-4)
