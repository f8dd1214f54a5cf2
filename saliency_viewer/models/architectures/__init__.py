"""From ``architecture = "prefix:name"`` to a network: one file for each family. Nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import (
    of_builtin,
    of_exported,
    of_keras,
    of_monai,
    of_onnx,
    of_python,
    of_timm,
    of_torchscript,
    of_torchvision,
)
from saliency_viewer.models.architectures.request import Architecture, Request
from saliency_viewer.models.files import PackageFiles
from saliency_viewer.models.own_code import Trust

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "Architecture", "Request", "architecture_of", "build_network"]

# Arguments by which libraries fetch weights from the internet.
_FETCHING = ("weights", "weights_backbone", "pretrained", "progress")

ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture("torchvision", of_torchvision.build),
    Architecture("monai", of_monai.build),
    Architecture("timm", of_timm.build),
    Architecture("keras", of_keras.build, program=True),
    Architecture("torchscript", of_torchscript.build, program=True),
    Architecture("exported", of_exported.build, program=True),
    Architecture("onnx", of_onnx.build, program=True),
    Architecture("builtin", of_builtin.build),
    Architecture("python", of_python.build),
)


def architecture_of(text: str) -> tuple[Architecture, str]:
    """The family that ``architecture = "prefix:name"`` names, and the name. Raises :class:`UserError`."""
    prefix, _, name = text.partition(":")
    chosen = next((item for item in ARCHITECTURES if item.prefix == prefix), None)
    if chosen is None or bool(name) == chosen.program:
        supported = ", ".join(item.prefix + ("" if item.program else ":") for item in ARCHITECTURES)
        raise UserError(
            f"The architecture '{text}' is of no supported kind.",
            f"Supported are: {supported}. Write the library before the network's name: torchvision:densenet121.",
        )
    return chosen, name


def build_network(
    architecture: str,
    arguments: Mapping[str, Any],
    files: PackageFiles,
    keys: Collection[str],
    trust_code: Trust,
    content: bytes = b"",
    weights: str = "",
    shape: tuple[int, ...] = (),
) -> nn.Module:
    """The network that ``architecture`` names: untrained, or for a program with its weights out of ``content``.

    ``weights`` is the name of the file with that content, ``shape`` that of one input (1, ...).
    Raises :class:`UserError`. Torch's random state is kept.
    """
    chosen, name = architecture_of(architecture)
    for key in _FETCHING:
        if arguments.get(key):
            raise UserError(
                f"model.toml: model.arguments.{key} would fetch weights from the internet.",
                "Take it out: the weights come from the package.",
            )
    wanted = {key: value for key, value in arguments.items() if key not in _FETCHING}
    with _kept_random_state():
        return chosen.build(Request(name, wanted, files, keys, trust_code, content, weights, shape))


@contextmanager
def _kept_random_state() -> Iterator[None]:
    """Building a network draws random weights, which must not move the caller's random numbers on."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield
