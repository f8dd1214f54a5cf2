"""The networks that can be trained here, each with what its package will say about it.

Importing this does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.seeds import derived_seed

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TrainableNetwork:
    """One architecture.

    Attributes
    ----------
    name, label:
        How it is asked for, and how people write it.
    architecture, arguments:
        As in ``model.toml``; ``classes_argument`` is the one that takes the number of classes.
    dimensions, channels:
        2 or 3 spatial axes; channels of the input.
    size:
        Side of the input that it is used with.
    head:
        The last linear layer, whose outputs are the logits.
    layer:
        For class activation maps.
    pretrained_arguments:
        Further arguments with ImageNet weights, which were trained under them.
    auxiliary:
        Start of the names of a second head that serves training only, needs the usual size, and stays out of the
        package.
    """

    name: str
    label: str
    architecture: str
    dimensions: int
    channels: int
    size: int
    head: str
    layer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    classes_argument: str = "num_classes"
    pretrained_arguments: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: str = ""
    aliases: tuple[str, ...] = ()

    def shape(self, size: int = 0) -> tuple[int, ...]:
        """(row, column) or (slice, row, column) of the input; ``size`` 0 means the usual one."""
        return (size or self.size,) * self.dimensions

    def arguments_for(self, classes: int, pretrained: bool = False) -> dict[str, Any]:
        """``model.arguments`` of the package."""
        more = self.pretrained_arguments if pretrained else {}
        return {**self.arguments, **more, self.classes_argument: classes}


def _torchvision(name: str, label: str, head: str, layer: str, size: int = 224, **more: Any) -> TrainableNetwork:
    module = name.replace("-", "_")
    return TrainableNetwork(name, label, f"torchvision:{module}", 2, 3, size, head, layer, **more)


NETWORKS: tuple[TrainableNetwork, ...] = (
    _torchvision("densenet121", "DenseNet121", "classifier", "features.norm5"),
    _torchvision(
        "inception-v3",
        "InceptionV3",
        "fc",
        "Mixed_7c",
        299,
        pretrained_arguments={"transform_input": True},
        auxiliary="AuxLogits.",
        aliases=("inception",),
    ),
    _torchvision("resnet50", "ResNet50", "fc", "layer4"),
    _torchvision("vgg16", "VGG16", "classifier.6", "features.29"),
    _torchvision("efficientnet-b0", "EfficientNet-B0", "classifier.1", "features.8"),
    _torchvision("efficientnet-v2-s", "EfficientNetV2-S", "classifier.1", "features.7", 384),
    _torchvision("mobilenet-v2", "MobileNetV2", "classifier.1", "features.18", aliases=("mobilenet",)),
    _torchvision("mobilenet-v3-large", "MobileNetV3 large", "classifier.3", "features.16", aliases=("mobilenet-v3",)),
    TrainableNetwork(
        "densenet121-3d",
        "DenseNet121 3D",
        "monai:DenseNet121",
        3,
        1,
        96,
        "class_layers.out",
        "class_layers.relu",
        {"spatial_dims": 3, "in_channels": 1},
        "out_channels",
        aliases=("monai:densenet121",),
    ),
    TrainableNetwork(
        "efficientnet-b0-3d",
        "EfficientNet-B0 3D",
        "monai:EfficientNetBN",
        3,
        1,
        96,
        "_fc",
        "_bn1",
        {"model_name": "efficientnet-b0", "spatial_dims": 3, "in_channels": 1},
        aliases=("efficientnet-3d",),
    ),
    TrainableNetwork(
        "small-cnn-2d",
        "Small CNN",
        "builtin:small-cnn-2d",
        2,
        1,
        128,
        "head",
        "features",
        {"in_channels": 1, "width": 16, "downsamplings": 3},
    ),
    TrainableNetwork(
        "small-cnn-3d",
        "Small CNN 3D",
        "builtin:small-cnn-3d",
        3,
        1,
        48,
        "head",
        "features",
        {"in_channels": 1, "width": 8, "downsamplings": 2},
    ),
)


def network_named(name: str) -> TrainableNetwork:
    """The network that is meant by ``name``, whatever its case and dashes.

    Raises :class:`UserError` that proposes the nearest one.
    """
    from saliency_viewer.models.checked_table import near_match

    wanted = _plain(name)
    for network in NETWORKS:
        known = (network.name, network.label, network.architecture, *network.aliases)
        if wanted in map(_plain, known):
            return network
    raise UserError(
        f"There is no architecture '{name}' to train.", near_match(name, [network.name for network in NETWORKS])
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == ":")


def build_untrained(network: TrainableNetwork, arguments: Mapping[str, Any], size: int, seed: int) -> nn.Module:
    """The network with random weights drawn from ``seed``, float32 on the CPU; torch's random state is kept.

    A network with an auxiliary head gets it where the input's side ``size`` is large enough. Raises
    :class:`UserError` when it cannot be made.
    """
    import torch

    from saliency_viewer.models.architectures import build_network
    from saliency_viewer.models.files import MemoryFiles

    with_auxiliary = network.auxiliary and size >= network.size
    keys = (f"{network.auxiliary}fc.weight",) if with_auxiliary else ()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights", network.name))
        return build_network(network.architecture, arguments, MemoryFiles({}), keys, False).float()
