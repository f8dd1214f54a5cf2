"""Starting from weights that are at hand: a file, or torchvision's own cache. Nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.weights import read_state, without_prefixes
from saliency_viewer.training.networks import TrainableNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET = "imagenet"
_SHOWN = 3


def start_from(network: TrainableNetwork, module: nn.Module, wish: str) -> None:
    """Put the weights that ``wish`` names (a file, "imagenet", or empty for none) into ``module``, but for its heads.

    Raises :class:`UserError` when they are not at hand or belong to another network.
    """
    if wish:
        _fill(network, module, read_state(_content(network, wish)))


def _content(network: TrainableNetwork, wish: str) -> bytes:
    path = _cached(network) if wish == IMAGENET else Path(wish).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            "The file with weights to start from cannot be read.",
            f"Check its path, write '{IMAGENET}' for torchvision's, or leave it out to start from random weights.",
            type(error).__name__,
        ) from error


def _cached(network: TrainableNetwork) -> Path:
    """The first of torchvision's files for this network that is in its cache."""
    names = _file_names(network)
    if not names:
        raise UserError(
            f"There are no ImageNet weights of torchvision for {network.label}.",
            "Give a file with weights, or leave it out to start from random ones.",
        )
    folder = cache_folder()
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise UserError(
            f"ImageNet weights for {network.label} are not in torchvision's cache, and nothing is downloaded unasked.",
            f"Looked for {' or '.join(names)} in {_shown(folder)}: put one of them there, or name a file.",
        )
    return found


def cache_folder() -> Path:
    """Where torchvision keeps what it downloaded ($TORCH_HOME moves it)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _file_names(network: TrainableNetwork) -> list[str]:
    """Names of torchvision's weights files, the best first."""
    import torchvision

    family, _, name = network.architecture.partition(":")
    if family != "torchvision":
        return []
    weights = torchvision.models.get_model_weights(name)
    ordered = [weights.DEFAULT, *(one for one in weights if one is not weights.DEFAULT)]
    return [one.url.rpartition("/")[2] for one in ordered]


def _shown(folder: Path) -> str:
    """The folder without the user's name, which a message need not spread."""
    try:
        return f"~/{folder.relative_to(Path.home()).as_posix()}"
    except ValueError:
        return folder.name


def _fill(network: TrainableNetwork, module: nn.Module, state: dict[str, Tensor]) -> None:
    """Every weight but those of the heads must be there and fit; a head that happens to fit is taken too."""
    own = module.state_dict()
    given = without_prefixes(state, own)
    heads = tuple(start for start in (f"{network.head}.", network.auxiliary) if start)
    fitting = {key: value for key, value in given.items() if key in own and value.shape == own[key].shape}
    wrong = [
        f"{key} ({_size(given[key])} in the file, {_size(value)} in the network)" if key in given else f"no {key}"
        for key, value in own.items()
        if key not in fitting and not key.startswith(heads) and not key.endswith("num_batches_tracked")
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise UserError(
            f"The weights to start from do not belong to {network.label}: {', '.join(wrong[:_SHOWN])}{more}.",
            "Choose weights of the same architecture, or leave them out.",
        )
    module.load_state_dict(fitting, strict=False)


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
