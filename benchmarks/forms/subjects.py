"""Networks with calibrated random weights, and the forms they are packed in."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CLASSES = 3
_SHAPE_3D = (1, 32, 32, 64)  # its last maps have two cells: less would be a map of one


@dataclass(frozen=True)
class Subject:
    """An architecture: how it is built, the shape of one input (C, *spatial), and its name in each library."""

    title: str
    shape: tuple[int, ...]
    torchvision: str = ""
    timm: str = ""
    keras: str = ""
    monai: str = ""

    def network(self) -> nn.Module:
        """The torchvision or MONAI network, random weights, batch statistics of a few random batches."""
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn about their own future
            return calibrated(self._torchvision() if self.torchvision else self._monai(), self.shape)

    def monai_arguments(self) -> dict[str, Any]:
        """What MONAI's constructor takes."""
        if self.monai == "EfficientNetBN":
            return {
                "model_name": "efficientnet-b0",
                "spatial_dims": 3,
                "in_channels": 1,
                "num_classes": CLASSES,
                "pretrained": False,
            }
        return {"spatial_dims": 3, "in_channels": 1, "out_channels": CLASSES}

    def _torchvision(self) -> nn.Module:
        from torchvision import models

        extra = {"init_weights": False, "aux_logits": False} if self.torchvision == "inception_v3" else {}
        return models.get_model(self.torchvision, weights=None, num_classes=CLASSES, **extra)

    def _monai(self) -> nn.Module:
        from monai.networks import nets

        return getattr(nets, self.monai)(**self.monai_arguments())


SUBJECTS = (
    Subject("DenseNet-121", (3, 64, 64), "densenet121", "densenet121", "DenseNet121"),
    Subject("Inception v3", (3, 128, 128), "inception_v3", "inception_v3", "InceptionV3"),
    Subject("ResNet-50", (3, 64, 64), "resnet50", "resnet50", "ResNet50"),
    Subject("VGG-16", (3, 64, 64), "vgg16", "vgg16", "VGG16"),
    Subject("EfficientNet-B0", (3, 64, 64), "efficientnet_b0", "efficientnet_b0", "EfficientNetB0"),
    Subject("EfficientNetV2-S", (3, 64, 64), "efficientnet_v2_s", "tf_efficientnetv2_s", "EfficientNetV2S"),
    Subject("MobileNetV2", (3, 64, 64), "mobilenet_v2", "mobilenetv2_100", "MobileNetV2"),
    Subject("DenseNet-121 3D", _SHAPE_3D, monai="DenseNet121"),
    Subject("EfficientNet-B0 3D", _SHAPE_3D, monai="EfficientNetBN"),
)


def calibrated(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The network after four random batches in training mode, so that activations are neither dead nor huge."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # a plain average
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(4, *shape))
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Form:
    """A form of packages. ``write`` fills a folder and gives the network it was made of, None: not made this way."""

    title: str
    write: Callable[[Path, Subject], Callable[[Tensor], Tensor] | None]
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def subject(self, subject: Subject) -> Subject:
        """The architecture as this form can have it: some only for images of other ``sizes``."""
        return replace(subject, shape=self.sizes.get(subject.title, subject.shape))


def _card(
    folder: Path,
    subject: Subject,
    architecture: str,
    weights: str,
    arguments: dict[str, Any],
    activation: str = "softmax",
) -> None:
    axes = "3d" if len(subject.shape) == 4 else "2d"
    names = ", ".join(f'"class {k}"' for k in range(CLASSES))
    pairs = ", ".join(f"{key} = {json.dumps(value)}" for key, value in arguments.items())
    (folder / "model.toml").write_text(
        f'[model]\nname = "{subject.title}"\narchitecture = "{architecture}"\nweights = "{weights}"\n'
        f"arguments = {{ {pairs} }}\n"
        f'[output]\nclasses = [{names}]\nactivation = "{activation}"\n'
        f'[input]\nlayout = "{axes}"\nchannels = {subject.shape[0]}\nsize = {list(subject.shape[1:])}\n'
    )


def _state(folder: Path, network: nn.Module) -> None:
    from safetensors.torch import save_file

    save_file(
        {key: value.contiguous().clone() for key, value in network.state_dict().items()}, folder / "weights.safetensors"
    )


def _torchvision(folder: Path, subject: Subject) -> Any:
    if not subject.torchvision:
        return None
    network = subject.network()
    _state(folder, network)
    _card(folder, subject, f"torchvision:{subject.torchvision}", "weights.safetensors", {"num_classes": CLASSES})
    return network


def _monai(folder: Path, subject: Subject) -> Any:
    if not subject.monai:
        return None
    network = subject.network()
    _state(folder, network)
    _card(folder, subject, f"monai:{subject.monai}", "weights.safetensors", subject.monai_arguments())
    return network


def _timm(folder: Path, subject: Subject) -> Any:
    if not subject.timm:
        return None
    import timm

    torch.manual_seed(0)
    network = calibrated(timm.create_model(subject.timm, pretrained=False, num_classes=CLASSES), subject.shape)
    _state(folder, network)
    _card(folder, subject, f"timm:{subject.timm}", "weights.safetensors", {"num_classes": CLASSES})
    return network


def _python(folder: Path, subject: Subject) -> Any:
    """A class of the user's own around a library's network, as many have it."""
    network = subject.network()
    made = (
        f"torchvision.models.get_model({subject.torchvision!r}, weights=None, **settings)"
        if subject.torchvision
        else f"monai.networks.nets.{subject.monai}(**settings)"
    )
    (folder / "network.py").write_text(
        "import monai.networks.nets, torch, torchvision\n\n\nclass Network(torch.nn.Module):\n"
        f"    def __init__(self, **settings):\n        super().__init__()\n        self.backbone = {made}\n\n"
        "    def forward(self, images):\n        return self.backbone(images)\n"
    )
    torch.save(
        {"state_dict": {f"backbone.{key}": value for key, value in network.state_dict().items()}}, folder / "last.ckpt"
    )
    arguments = {"num_classes": CLASSES} if subject.torchvision else subject.monai_arguments()
    if subject.torchvision == "inception_v3":
        arguments |= {"aux_logits": False, "init_weights": False}
    _card(folder, subject, "python:network.py:Network", "last.ckpt", arguments)
    return network


def _bundle(folder: Path, subject: Subject) -> Any:
    """A MONAI bundle's folder."""
    if not subject.monai:
        return None
    network = subject.network()
    (folder / "configs").mkdir()
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    image = {"type": "image", "num_channels": 1, "spatial_shape": list(subject.shape[1:]), "is_patch_data": False}
    scores = {
        "type": "probabilities",
        "num_channels": CLASSES,
        "channel_def": {str(k): f"class {k}" for k in range(CLASSES)},
    }
    metadata = {
        "name": subject.title,
        "version": "1",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": scores}},
    }
    steps = [{"_target_": "Resized", "keys": "image", "spatial_size": list(subject.shape[1:]), "mode": "area"}]
    config = {
        "network_def": {"_target_": subject.monai, **subject.monai_arguments()},
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "postprocessing": {"_target_": "Activationsd", "keys": "pred", "softmax": True},
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    return network


def _torchscript(folder: Path, subject: Subject) -> Any:
    network = subject.network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but people have such files
        torch.jit.save(torch.jit.trace(network, torch.randn(2, *subject.shape)), str(folder / "model.ts"))
    _card(folder, subject, "torchscript", "model.ts", {})
    return network


def _exported(folder: Path, subject: Subject) -> Any:
    network = subject.network()
    program = torch.export.export(network, (torch.randn(1, *subject.shape),))
    torch.export.save(program, folder / "model.pt2")
    _card(folder, subject, "exported", "model.pt2", {})
    return network


def _onnx(dynamo: bool) -> Callable[[Path, Subject], Any]:
    def write(folder: Path, subject: Subject) -> Any:
        network = subject.network()
        sample, path = torch.randn(1, *subject.shape), str(folder / "model.onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dynamo:
                torch.onnx.export(network, (sample,), path, dynamo=True, external_data=False, verbose=False)
            else:
                torch.onnx.export(
                    network,
                    (sample,),
                    path,
                    dynamo=False,
                    opset_version=17,
                    input_names=["x"],
                    dynamic_axes={"x": {0: "n"}},
                )
        _card(folder, subject, "onnx", "model.onnx", {})
        return network

    return write


def _keras(folder: Path, subject: Subject) -> Any:
    if not subject.keras:
        return None
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    keras.utils.set_random_seed(0)
    shape = (*subject.shape[1:], subject.shape[0])
    model = getattr(keras.applications, subject.keras)(
        weights=None, input_shape=shape, classes=CLASSES, classifier_activation=None
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # at Keras' own 0.99 the statistics would need hundreds of batches
    with torch.no_grad():
        for _ in range(8):
            model(torch.cat([torch.rand(4, *shape), torch.randn(4, *shape)]), training=True)
    model.save(folder / "model.keras")
    _card(folder, subject, "keras", "model.keras", {})
    return lambda inputs: model(inputs.movedim(1, -1), training=False)


# ONNX has no adaptive pooling: exporters write that of VGG's 7 x 7 cells as plain pooling, or not at all.
_WHOLE_CELLS = {"VGG-16": (3, 224, 224)}

FORMS = (
    Form("torchvision:", _torchvision),
    Form("monai:", _monai),
    Form("timm:", _timm),
    Form("python:", _python),
    Form("MONAI bundle", _bundle),
    Form("torchscript", _torchscript),
    Form("exported", _exported),
    Form("onnx, exporter of TorchScript, opset 17", _onnx(dynamo=False), _WHOLE_CELLS),
    Form("onnx, exporter of torch.export", _onnx(dynamo=True), _WHOLE_CELLS),
    Form("keras", _keras),
)
