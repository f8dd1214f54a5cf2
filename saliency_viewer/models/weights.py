"""Weights files: tensors only, never code. Wrapped checkpoints are unwrapped, half precision becomes float32."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

# Where training frameworks put the state dict inside their checkpoints, and what they put before the keys.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.", "backbone.")
_SHOWN = 3
_TORCH_STARTS = (b"PK\x03\x04", b"\x80")  # a zip archive, and the pickles that torch wrote before 1.6

_CONVERT = (
    "In the program that saved it, run: torch.save(model.state_dict(), 'weights.pt'), and name that file in model.toml."
)


def read_state(content: bytes) -> dict[str, Tensor]:
    """The tensors of a weights file, float32 on the CPU (integers stay integers).

    The content decides, not the file's suffix: safetensors, or what ``torch.load(weights_only=True)``
    accepts. Raises :class:`UserError` for pickled models, damaged files and files without tensors.
    """
    raw = _safetensors(content) if _is_safetensors(content) else _torch_file(content)
    state = _unwrapped(raw)
    return {key: tensor.detach().float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}


def _is_safetensors(content: bytes) -> bool:
    length = int.from_bytes(content[:8], "little")
    return len(content) > 8 and content[8:9] == b"{" and length <= len(content)


def _safetensors(content: bytes) -> Mapping[str, Any]:
    import safetensors
    import safetensors.torch

    try:
        return dict(safetensors.torch.load(content))
    except safetensors.SafetensorError as error:
        raise _damaged(error) from error


def _torch_file(content: bytes) -> Any:
    import torch

    if not content.startswith(_TORCH_STARTS):
        raise _damaged(ValueError("neither a zip archive nor a pickle"))
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" not in str(error) and "Weights only" not in str(error):
            raise _damaged(error) from error
        raise UserError(
            "The weights file holds a whole pickled model (or other Python objects), which could run any code, "
            "so it was not opened.",
            _CONVERT,
            next((line.strip() for line in str(error).splitlines() if "Unsupported" in line), ""),
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, OSError) as error:
        if "TorchScript" in str(error):
            raise UserError("The weights file is a TorchScript program, not a list of weights.", _CONVERT) from error
        raise _damaged(error) from error


def _damaged(error: Exception) -> UserError:
    return UserError(
        "The weights file is damaged, or is neither safetensors nor a torch state dict.",
        "Copy or download it again.",
        (str(error).splitlines() or [type(error).__name__])[0],
    )


def _unwrapped(raw: Any) -> dict[str, Tensor]:
    """The first mapping, from outside in, that holds tensors itself."""
    import torch

    if isinstance(raw, Mapping):
        inner = next((raw[name] for name in _WRAPPERS if isinstance(raw.get(name), Mapping)), None)
        if inner is not None:
            return _unwrapped(inner)
        tensors = {str(key): value for key, value in raw.items() if isinstance(value, torch.Tensor)}
        if tensors:
            return tensors
    raise UserError("The weights file holds no weights by name.", _CONVERT, f"found {type(raw).__name__}")


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put ``state`` into ``network``, strictly, after prefixes such as ``module.`` were taken off.

    Raises :class:`UserError` when weights are missing, left over or of another shape.
    """
    own = network.state_dict()
    fitting = without_prefixes(state, own.keys())
    wrong = [key for key in fitting if key in own and fitting[key].shape != own[key].shape]
    if wrong:
        raise _wrong_shape(wrong, fitting, own)
    outcome = network.load_state_dict(fitting, strict=False)
    if outcome.missing_keys or outcome.unexpected_keys:
        raise UserError(
            "The weights do not belong to this network: "
            f"{_listed(outcome.missing_keys, 'missing')} and {_listed(outcome.unexpected_keys, 'left over')}.",
            "Check the architecture and its arguments in model.toml.",
        )


def without_prefixes(state: Mapping[str, Tensor], expected: Iterable[str]) -> dict[str, Tensor]:
    """Take off prefixes as long as more keys then fit; keys beside the prefix (a loss, a metric) fall away."""
    wanted = set(expected)
    current = dict(state)
    for _ in range(len(_PREFIXES)):
        options = [
            {key.removeprefix(prefix): value for key, value in current.items() if key.startswith(prefix)}
            for prefix in _PREFIXES
        ]
        best = max(options, key=lambda option: (len(wanted & option.keys()), len(option)))
        gains = len(wanted & best.keys()) > len(wanted & current.keys())
        # module.model.x fits only when both are gone, so a prefix of every key goes in any case.
        common = not wanted & current.keys() and len(best) == len(current)
        if not gains and not common:
            return current
        current = best
    return current


def _wrong_shape(wrong: list[str], state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> UserError:
    key = wrong[-1]
    have, want = (" x ".join(map(str, tensors[key].shape)) for tensors in (state, own))
    message = f"The weights do not fit the network: '{key}' is {have} in the file and {want} in the network"
    more = f" ({len(wrong)} weights differ)" if len(wrong) > 2 else ""
    hint = "Check the architecture and its arguments (number of classes, channels) in model.toml."
    return UserError(f"{message}{more}.", hint)


def _listed(keys: list[str], what: str) -> str:
    if not keys:
        return f"none is {what}"
    names = ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
    return f"{len(keys)} {'is' if len(keys) == 1 else 'are'} {what} ({names})"
