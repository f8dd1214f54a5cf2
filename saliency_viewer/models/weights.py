"""Weights files: tensors only, never code. Wrapped checkpoints are unwrapped, half precision becomes float32."""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import DAMAGE
from saliency_viewer.models.sound_tensors import in_float32, refuse_no_numbers
from saliency_viewer.models.twins import refuse_twin_prefixes, refuse_twins, several
from saliency_viewer.runtime.memory import require_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

# Where training frameworks put the state dict inside their checkpoints, and what they put before the keys.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "network_weights", "weights")
_PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.", "backbone.", "ema_model.")
_NO_WEIGHTS = ("optimizer", "optimizer_state", "optimizer_state_dict", "optimizer_states", "lr_schedulers", "callbacks")
_DEEPEST = 6  # prefixes before each other
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)(?=\.)")
Item = TypeVar("Item")

_TORCH_STARTS = (b"PK\x03\x04", b"\x80")  # a zip archive, and the pickles that torch wrote before 1.6

_CONVERT = "In the program that saved it, run: torch.save(model.state_dict(), 'weights.pt'), and use that file."
_CONVERT_CHECKPOINT = (
    "Of a training checkpoint: torch.save(torch.load('last.ckpt', weights_only=False)['state_dict'], 'weights.pt')."
)
_LOADING_ERRORS = (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, OSError, TypeError)


def read_state(content: bytes) -> dict[str, Tensor]:
    """The tensors of a weights file, float32 on the CPU (integers stay integers).

    The content decides, not the file's suffix: safetensors, or what ``torch.load(weights_only=True)``
    accepts. Raises :class:`UserError` for pickled models, damaged files, files without tensors, and tensors that are
    no plain numbers or more than memory holds.
    """
    return tensors_of(stored(content))


def tensors_of(raw: Any) -> dict[str, Tensor]:
    """The tensors in what :func:`stored` gave, as :func:`read_state` returns them; raises :class:`UserError`."""
    return in_float32(unwrapped(raw))


def stored(content: bytes) -> Any:
    """What the file holds, still wrapped as training left it; raises :class:`UserError` as :func:`read_state` does."""
    return _safetensors(content) if _is_safetensors(content) else _torch_file(content)


def _is_safetensors(content: bytes) -> bool:
    length = int.from_bytes(content[:8], "little")
    return len(content) > 8 and content[8:9] == b"{" and length <= len(content)


def _safetensors(content: bytes) -> Mapping[str, Any]:
    import safetensors
    import safetensors.torch

    try:
        return dict(safetensors.torch.load(content))
    except (safetensors.SafetensorError, *_LOADING_ERRORS) as error:
        raise _damaged(error) from error


def _torch_file(content: bytes) -> Any:
    import torch

    if not content.startswith(_TORCH_STARTS):
        raise _damaged(ValueError("neither a zip archive nor a pickle"))
    _refuse_larger_than_memory(content)
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how old the file is, which its user cannot change
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" not in str(error) and "Weights only" not in str(error):
            raise _damaged(error) from error
        raise UserError(
            "The weights file holds a whole pickled model (or other Python objects), which could run any code, "
            "so it was not opened.",
            f"{_CONVERT} {_CONVERT_CHECKPOINT}",
            next((line.strip() for line in str(error).splitlines() if "Unsupported" in line), ""),
        ) from error
    except _LOADING_ERRORS as error:
        if "TorchScript" in str(error):
            raise UserError(
                "The weights file is a TorchScript program, not a list of weights.",
                'Write architecture = "torchscript" to use the program as it is.',
            ) from error
        raise _damaged(error) from error


def _refuse_larger_than_memory(content: bytes) -> None:
    """A zip can say of a few bytes that they become many; torch would take the memory first."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())  # members may overlap
    except DAMAGE as error:
        raise _damaged(error) from error
    require_memory(unpacked, "This weights file")


def _harmless() -> list[Any]:
    """Classes that checkpoints keep beside their tensors, and that only hold values: scores and settings."""
    import argparse

    import numpy as np

    kinds = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    # numpy 1 called the function by another path.
    return [argparse.Namespace, np.dtype, *kinds, scalar, (scalar, "numpy.core.multiarray.scalar")]


def _damaged(error: Exception) -> UserError:
    return UserError(
        "The weights file is damaged, or is neither safetensors nor a torch state dict.",
        "Copy or download it again.",
        (str(error).splitlines() or [type(error).__name__])[0],
    )


def unwrapped(raw: Any) -> dict[str, Tensor]:
    """The first mapping, from outside in, that holds tensors itself; usual wrappers go before others."""
    found = _tensors_in(raw, set())
    if found:
        return found
    raise UserError("The weights file holds no weights by name.", _CONVERT, f"found {type(raw).__name__}")


def _tensors_in(raw: Any, seen: set[int], depth: int = 0) -> dict[str, Tensor]:
    """``seen``: mappings that were looked at, since a file can hold one mapping in a million places."""
    import torch

    if not isinstance(raw, Mapping) or depth > _DEEPEST or id(raw) in seen:
        return {}
    seen.add(id(raw))
    for name in _WRAPPERS:
        found = _tensors_in(raw.get(name), seen, depth + 1)
        if found:
            refuse_twins({name: found, **_beside(raw, name, seen, depth)})
            return found
    tensors = {str(key): value for key, value in raw.items() if isinstance(value, torch.Tensor)}
    if tensors:
        return tensors
    inner = {str(key): _tensors_in(value, seen, depth + 1) for key, value in raw.items() if key not in _NO_WEIGHTS}
    holding = {key: found for key, found in inner.items() if found}
    if len(holding) > 1:
        raise several(list(holding), f"torch.save(checkpoint['{next(iter(holding))}'], 'weights.pt')")
    return next(iter(holding.values()), {})


def _beside(raw: Mapping[Any, Any], name: str, seen: set[int], depth: int) -> dict[str, dict[str, Tensor]]:
    """Other sets of weights that stand next to the one called ``name``."""
    others: dict[str, dict[str, Tensor]] = {}
    for key, value in raw.items():
        if key == name or key in _NO_WEIGHTS:
            continue
        try:
            others[str(key)] = _tensors_in(value, seen, depth + 1)
        except UserError:  # several of their own, as optimisers have: no network like this one
            continue
    return {key: tensors for key, tensors in others.items() if tensors}


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put ``state`` into ``network``, strictly, after prefixes such as ``module.`` were taken off.

    Raises :class:`UserError` when weights are missing, left over, of another shape or not numbers; it names the
    network to which they seem to belong.
    """
    from saliency_viewer.models.misfit import misfit

    own = network.state_dict()
    refuse_twin_prefixes(state, own)
    fitting = without_prefixes(state, own.keys())
    wrong = [key for key in own if key in fitting and fitting[key].shape != own[key].shape]
    if wrong:
        raise misfit(state, fitting, own)
    outcome = network.load_state_dict(fitting, strict=False)
    if outcome.missing_keys or outcome.unexpected_keys:
        raise misfit(state, fitting, own)
    refuse_no_numbers(fitting)


def without_prefixes(state: Mapping[str, Item], expected: Collection[str]) -> dict[str, Item]:
    """Take off prefixes as long as more keys then fit; keys beside the prefix (a loss, a metric) fall away."""
    wanted = set(expected)
    current = {_present_name(key): value for key, value in state.items()}
    for _ in range(_DEEPEST):
        options = [
            {key.removeprefix(prefix): value for key, value in current.items() if key.startswith(prefix)}
            for prefix in _prefixes_of(current)
        ]
        best = max(options, key=lambda option: (len(wanted & option.keys()), len(option)))
        gains = len(wanted & best.keys()) > len(wanted & current.keys())
        # module.model.x fits only when both are gone, so a prefix of every key goes in any case.
        common = bool(best) and not wanted & current.keys() and len(best) == len(current)
        if not gains and not common:
            return current
        current = best
    return current


def _prefixes_of(state: Mapping[str, object]) -> tuple[str, ...]:
    """The usual prefixes, and any other one that most keys have (``densenet121.`` of a class with a network inside)."""
    starts = Counter(start for key in state for start in _starts(key))
    often = (start for start, count in starts.items() if 2 * count > len(state))
    return tuple(dict.fromkeys((*_PREFIXES, *often)))


def _starts(key: str) -> Iterator[str]:
    """``a.``, ``a.b.`` and so on: the modules around a weight."""
    parts = key.split(".")
    return (".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), _DEEPEST)))


def _present_name(key: str) -> str:
    """Torchvision's networks of 2017 wrote ``denselayer1.norm.1.weight`` for what is now ``norm1``."""
    return _DENSE_LAYER.sub(r"\1\2", key)
