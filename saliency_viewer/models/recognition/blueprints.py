"""Names and shapes of a network's weights, from a network without memory for them: nothing is computed or fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import build_network
from saliency_viewer.models.architectures.alterations import stem_of
from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.recognition.shapes import Shape, Shapes, shapes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@dataclass(frozen=True)
class Blueprint:
    """A network's weights.

    Attributes
    ----------
    shapes:
        By name, without batch counters.
    stem:
        Name of the first convolution's weight; empty when there is none.
    head:
        Path of the last linear layer, or of the last convolution in a network without one.
    """

    shapes: Shapes
    stem: str
    head: str

    def body(self) -> dict[str, Shape]:
        """The weights that neither the number of channels nor another head changes."""
        root = self.head.partition(".")[0]
        return {key: s for key, s in self.shapes.items() if key != self.stem and not key.startswith(f"{root}.")}


def blueprint(architecture: str, arguments: Mapping[str, Any] | None = None) -> Blueprint | None:
    """The weights of the network that a card with these values names; None when it cannot be built.

    Kept, since the same networks are looked at for every checkpoint.
    """
    try:
        return drawn(architecture, json.dumps(arguments or {}, sort_keys=True))
    except UserError:
        return None  # not installed, or not with these arguments: then it is not this network


@lru_cache(maxsize=2048)
def drawn(architecture: str, arguments: str) -> Blueprint:
    """The same with the arguments as JSON; raises :class:`UserError`, which is not kept: it may be mended."""
    with _no_memory():
        network = build_network(architecture, json.loads(arguments), MemoryFiles({}), (), False)
    stem = stem_of(network)
    return Blueprint(shapes_of(network.state_dict()), f"{stem}.weight" if stem else "", _head_of(network))


def _head_of(network: nn.Module) -> str:
    from torch import nn

    layers = [(path, module) for path, module in network.named_modules() if "aux" not in path.lower()]
    linear: list[str] = [path for path, module in layers if isinstance(module, nn.Linear)]
    convolutions: list[str] = [path for path, module in layers if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    return (linear or convolutions or [""])[-1]


@contextmanager
def _no_memory() -> Iterator[None]:
    """Weights are made on the meta device.

    Torch's own ``with torch.device("meta")`` moves small helper tensors there too, whose values some constructors
    (RegNet's widths, Swin's rates) go on to read.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    makers = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}

    class OnMeta(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **{**(kwargs or {}), "device": "meta"} if func in makers else (kwargs or {}))

    with OnMeta():
        yield
