"""What every architecture is given, and the errors that all share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures.arguments import argument_error
from saliency_viewer.models.files import PackageFiles
from saliency_viewer.models.own_code import Trust

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Request:
    """What a builder is given: the name behind the prefix, and the package around it.

    ``keys`` are the names in the weights file; ``trust_code`` is what :meth:`OwnCode.is_allowed` takes. ``content`` is
    the weights file's bytes for programs (a file that is network and weights in one), else empty; ``weights`` is its
    name in the package and ``shape`` that of one input as the network takes it, (1, ...).
    """

    name: str
    arguments: Mapping[str, Any]
    files: PackageFiles
    keys: Collection[str]
    trust_code: Trust
    content: bytes = b""
    weights: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A family of networks: the prefix in the card, and how one is built.

    A ``program`` has no name behind its prefix: its weights file holds the network too, and ``build`` gives a network
    that has its weights.
    """

    prefix: str
    build: Callable[[Request], nn.Module]
    program: bool = False


def called(
    make: Callable[..., Any], name: str, arguments: Mapping[str, Any], own_arguments: Iterable[str] = ()
) -> nn.Module:
    """What ``make(**arguments)`` gives; a network that cannot be made is a :class:`UserError`.

    ``own_arguments`` are those that the card may name besides and that were taken out before.
    """
    import torch

    try:
        network = make(**arguments)
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
        named = argument_error(error, name, arguments, own_arguments)
        if named is not None:
            raise named from error
        raise UserError(
            f"The network '{name}' cannot be made with the arguments in model.toml.",
            "Check model.arguments.",
            f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(network, torch.nn.Module):
        raise UserError(f"'{name}' is no torch network.", "Name a class that derives from torch.nn.Module.")
    return network
