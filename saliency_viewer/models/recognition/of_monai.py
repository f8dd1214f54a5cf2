"""MONAI's classifiers behind a state dict. Their constructors are told everything, so everything is read off first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from saliency_viewer.models.recognition.candidate import Candidate, fitted
from saliency_viewer.models.recognition.shapes import Shape, Shapes, count_blocks
from saliency_viewer.models.weights import without_prefixes

Guess = Callable[[Shapes], Iterator[Candidate]]

_PLANE_SIZE = (224, 224)
_RESNETS: dict[tuple[bool, Shape], str] = {
    (False, (1, 1, 1, 1)): "resnet10",
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
    (True, (3, 24, 36, 3)): "resnet200",
}
_DENSENETS: dict[Shape, str] = {
    (6, 12, 24, 16): "DenseNet121",
    (6, 12, 32, 32): "DenseNet169",
    (6, 12, 48, 32): "DenseNet201",
    (6, 12, 64, 48): "DenseNet264",
}
_SENETS: dict[Shape, tuple[str, ...]] = {
    (3, 4, 6, 3): ("SEResNet50", "SEResNext50"),
    (3, 4, 23, 3): ("SEResNet101", "SEResNext101"),
    (3, 8, 36, 3): ("SEResNet152", "SENet154"),
}
# Channels after the first convolution and before the head.
_EFFICIENT_NETS: dict[Shape, tuple[str, ...]] = {
    (32, 1280): ("b0", "b1"),
    (32, 1408): ("b2",),
    (40, 1536): ("b3",),
    (48, 1792): ("b4",),
    (48, 2048): ("b5",),
    (56, 2304): ("b6",),
    (64, 2560): ("b7",),
    (72, 2816): ("b8",),
    (136, 5504): ("l2",),
}
_STRIDE_NOTE = (
    "The weights do not show the first convolution's stride and whether a pooling follows: MONAI's own are 1 and yes; "
    "MedicalNet's networks have conv1_t_stride = 2."
)
_ATTENTION_NOTE = "The weights do not show the number of attention heads: one for each 64 features is assumed."


def candidates(shapes: Shapes) -> Iterator[Candidate]:
    """Networks of MONAI that write their weights as the file does."""
    for mark, guesses in _FAMILIES:
        file = without_prefixes(shapes, (mark,))
        if mark in file:
            for guess in guesses(file):
                found = fitted(guess, shapes)
                if found is not None:
                    yield found


def _blocks(file: Shapes) -> tuple[int, ...]:
    return tuple(count_blocks(file, f"layer{stage}.") for stage in range(1, 5))


def _rest(stem: Shape, outputs: int, **more: Any) -> dict[str, Any]:
    """What follows from the first convolution's shape, for :class:`Candidate`."""
    dimensions = len(stem) - 2
    size = _PLANE_SIZE if dimensions == 2 else ()
    return {"outputs": outputs, "dimensions": dimensions, "channels": stem[1], "size": size, **more}


def _resnets(file: Shapes) -> Iterator[Candidate]:
    stem, head = file["conv1.weight"], file.get("fc.weight", ())
    name = _RESNETS.get(("layer1.0.conv3.weight" in file, _blocks(file)))
    if name is None or len(stem) < 3 or len(head) != 2:
        return
    arguments: dict[str, Any] = {"spatial_dims": len(stem) - 2, "n_input_channels": stem[1], "num_classes": head[0]}
    if set(stem[2:]) != {7}:
        arguments["conv1_t_size"] = list(stem[2:])
    if "layer2.0.downsample.0.weight" not in file:
        arguments["shortcut_type"] = "A"
    elif "layer2.0.downsample.0.bias" not in file:
        arguments["bias_downsample"] = False
    yield Candidate(f"monai:{name}", arguments, **_rest(stem, head[0], notes=(_STRIDE_NOTE,)))


def _densenets(file: Shapes) -> Iterator[Candidate]:
    stem, head = file["features.conv0.weight"], file.get("class_layers.out.weight", ())
    growth = file.get("features.denseblock1.denselayer1.layers.conv2.weight", ())
    if len(stem) < 3 or not growth or len(head) != 2:
        return
    blocks = tuple(_dense_layers(file, f"features.denseblock{k}.denselayer") for k in range(1, 9))
    blocks = tuple(count for count in blocks if count)
    arguments: dict[str, Any] = {"spatial_dims": len(stem) - 2, "in_channels": stem[1], "out_channels": head[0]}
    if stem[0] != 64:
        arguments["init_features"] = stem[0]
    if growth[0] != 32:
        arguments["growth_rate"] = growth[0]
    name = _DENSENETS.get(blocks, "DenseNet")
    if name == "DenseNet":
        arguments["block_config"] = list(blocks)
        arguments["bn_size"] = file["features.denseblock1.denselayer1.layers.conv1.weight"][0] // growth[0]
    yield Candidate(f"monai:{name}", arguments, **_rest(stem, head[0]))


def _dense_layers(file: Shapes, start: str) -> int:
    return max(0, count_blocks(file, start) - 1)  # they are counted from 1


def _senets(file: Shapes) -> Iterator[Candidate]:
    stem, head = file["layer0.conv1.weight"], file.get("last_linear.weight", ())
    if len(stem) < 3 or len(head) != 2:
        return
    arguments = {"spatial_dims": len(stem) - 2, "in_channels": stem[1], "num_classes": head[0]}
    for name in _SENETS.get(_blocks(file), ()):
        yield Candidate(f"monai:{name}", arguments, **_rest(stem, head[0]))


def _efficient_nets(file: Shapes) -> Iterator[Candidate]:
    stem, head = file["_conv_stem.weight"], file.get("_fc.weight", ())
    if len(stem) < 3 or len(head) != 2:
        return
    for version in _EFFICIENT_NETS.get((stem[0], head[1]), ()):
        arguments = {
            "model_name": f"efficientnet-{version}",
            "spatial_dims": len(stem) - 2,
            "in_channels": stem[1],
            "num_classes": head[0],
        }
        yield Candidate("monai:EfficientNetBN", arguments, **_rest(stem, head[0]))


def _transformers(file: Shapes) -> Iterator[Candidate]:
    stem = file["patch_embedding.patch_embeddings.weight"]
    grown = next(
        (f"classification_head{part}" for part in (".0", "") if f"classification_head{part}.weight" in file), ""
    )
    positions = file.get("patch_embedding.position_embeddings", ())
    first_layer = file.get("blocks.0.mlp.linear1.weight", ())
    if len(stem) < 3 or not grown or len(positions) != 3 or not first_layer:
        return
    dimensions = len(stem) - 2
    side = round(positions[1] ** (1 / dimensions))
    size = tuple(side * patch for patch in stem[2:])
    outputs = file[f"{grown}.weight"][0]
    arguments: dict[str, Any] = {
        "in_channels": stem[1],
        "img_size": list(size),
        "patch_size": list(stem[2:]),
        "hidden_size": stem[0],
        "mlp_dim": first_layer[0],
        "num_layers": count_blocks(file, "blocks."),
        "num_heads": max(1, stem[0] // 64),
        "spatial_dims": dimensions,
        "classification": True,
        "num_classes": outputs,
    }
    if "blocks.0.attn.qkv.bias" in file:
        arguments["qkv_bias"] = True
    if not grown.endswith(".0"):
        arguments["post_activation"] = ""
    yield Candidate("monai:ViT", arguments, outputs, dimensions, stem[1], size, notes=(_ATTENTION_NOTE,))


# A name that every network of the family has, and what reads the rest.
_FAMILIES: tuple[tuple[str, Guess], ...] = (
    ("layer4.0.conv2.weight", lambda file: _resnets(file) if "conv1.weight" in file else iter(())),
    ("features.conv0.weight", _densenets),
    ("layer0.conv1.weight", _senets),
    ("_conv_stem.weight", _efficient_nets),
    ("patch_embedding.patch_embeddings.weight", _transformers),
)
