"""What people change in a published network before they train it: its input channels and its head."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match

if TYPE_CHECKING:
    from torch import nn

_WORD = re.compile(r"([a-z_]+)(?:\s+([0-9.]+))?\s*")
_EXAMPLE = 'Write it like head = { fc = ["dropout", "linear 256", "relu", "linear 2"] }.'


def with_channels(network: nn.Module, channels: object) -> nn.Module:
    """``network`` with a first convolution that takes ``channels`` channels. Raises :class:`UserError`."""
    import torch
    from torch import nn

    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise UserError("model.toml: model.arguments.in_channels is no number of channels.", "Write in_channels = 1.")
    path = stem_of(network)
    if not path:
        raise UserError(
            "model.toml: model.arguments.in_channels: this network begins with no convolution.", "Take it out."
        )
    first = network.get_submodule(path)
    assert isinstance(first, nn.Conv2d)  # stem_of looked for it
    first.weight = nn.Parameter(torch.empty(first.out_channels, channels, *first.kernel_size))
    nn.init.kaiming_normal_(first.weight)
    first.in_channels = channels
    return network


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def stem_of(network: nn.Module) -> str:
    """Path of the first convolution in the order of definition, which reads the image; empty when there is none."""
    from torch import nn

    return next((path for path, module in network.named_modules() if isinstance(module, nn.Conv2d)), "")


def with_heads(network: nn.Module, heads: object) -> nn.Module:
    """``network`` with other layers at the paths that ``heads`` names.

    ``heads`` is ``{path: "linear 2"}`` for one layer, ``{path: ["dropout", "linear 2"]}`` for several in a row, and
    ``{path: {"fc": "linear 2"}}`` where they have names. The first of them takes what the first linear layer of the
    module that they replace took. Raises :class:`UserError`.
    """
    if not isinstance(heads, Mapping) or not heads:
        raise UserError("model.toml: model.arguments.head is no table of layers.", _EXAMPLE)
    for path, words in heads.items():
        old = _module_at(network, str(path))
        _put(network, str(path), _layers(words, _features_of(old, str(path))))
    return network


def _module_at(network: nn.Module, path: str) -> nn.Module:
    names = [name for name, _ in network.named_modules() if name]
    if path not in names:
        raise UserError(f"model.toml: model.arguments.head: the network has no '{path}'.", near_match(path, names))
    return network.get_submodule(path)


def _features_of(module: nn.Module, path: str) -> int:
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.Linear):
            return part.in_features
    raise UserError(
        f"model.toml: model.arguments.head: '{path}' holds no linear layer that could be replaced.",
        "Name the network's last linear layer, or the module around it.",
    )


def _layers(words: object, features: int) -> nn.Module:
    from torch import nn

    if isinstance(words, str):
        return _layer(words, features)[0]
    named = {str(k): word for k, word in enumerate(words)} if isinstance(words, (list, tuple)) else words
    good = isinstance(named, Mapping) and all(isinstance(w, str) and "." not in str(n) for n, w in named.items())
    if not isinstance(named, Mapping) or not good or not named:
        raise UserError("model.toml: model.arguments.head is no table of layers.", _EXAMPLE)
    made: OrderedDict[str, nn.Module] = OrderedDict()
    for name, word in named.items():
        made[str(name)], features = _layer(word, features)
    return nn.Sequential(made)


def _layer(word: str, features: int) -> tuple[nn.Module, int]:
    """The layer that ``word`` names, and how many features leave it."""
    from torch import nn

    found = _WORD.fullmatch(word.strip().lower())
    name, number = (found[1], found[2]) if found else (word, None)
    if name == "linear" and number and number.isdigit():
        return nn.Linear(features, int(number)), int(number)
    if name == "batchnorm":
        return nn.BatchNorm1d(features), features
    if name == "layernorm":
        return nn.LayerNorm(features), features
    plain: dict[str, Callable[[], nn.Module]] = {
        "dropout": nn.Dropout, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "gelu": nn.GELU,
        "silu": nn.SiLU, "tanh": nn.Tanh, "flatten": nn.Flatten, "identity": nn.Identity,
        "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=1), "log_softmax": lambda: nn.LogSoftmax(dim=1),
    }  # fmt: skip
    if name not in plain:
        known = ["linear N", "batchnorm", "layernorm", *plain]
        raise UserError(f"model.toml: model.arguments.head: there is no layer '{word}'.", near_match(word, known))
    return plain[name](), features
