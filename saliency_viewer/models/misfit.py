"""Saying why weights do not fit a network, and which one they seem to belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 3
_LIKELY = 0.9  # share of the weights that must fit before another architecture is named
_CHECK = (
    "Check the architecture and its arguments in model.toml; 'saliency-viewer model new' guesses them from the file."
)


def misfit(state: Mapping[str, Tensor], fitting: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> UserError:
    """The error for weights that cannot be put into a network.

    Parameters
    ----------
    state:
        The file's weights.
    fitting:
        The same without the prefixes that the network does not have.
    own:
        The network's weights.
    """
    reshaped = [key for key in own if key in fitting and fitting[key].shape != own[key].shape]
    absent = [key for key in own if key not in fitting]
    extra = [key for key in fitting if key not in own]
    if not absent and not extra and _differs_in_outputs(reshaped, fitting, own):
        return _wrong_classes(reshaped, fitting, own)
    facts = [_reshaped(reshaped, fitting, own), _listed(absent, "missing"), _listed(extra, "left over")]
    return UserError(
        f"The weights do not belong to this network: {_joined([fact for fact in facts if fact])}.",
        _nearest(state) or _CHECK,
    )


def _differs_in_outputs(reshaped: Sequence[str], fitting: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether nothing differs but the number of rows of the last layers."""
    pairs = [(fitting[key].shape, own[key].shape) for key in reshaped]
    same = all(a[1:] == b[1:] and len(a) == len(b) for a, b in pairs)
    return same and len({(a[0], b[0]) for a, b in pairs}) == 1 and list(own)[-1] in reshaped


def _wrong_classes(reshaped: Sequence[str], fitting: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> UserError:
    key = reshaped[-1]
    have, want = fitting[key].shape[0], own[key].shape[0]
    return UserError(
        f"The weights are for {_count(have, 'class')}, but the network is made for {want} "
        f"('{key}' is {_shape(fitting[key])} in the file and {_shape(own[key])} in the network).",
        f"Write {have} as the number of classes in model.arguments, and name {have} in output.classes.",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}es"


def _reshaped(keys: Sequence[str], fitting: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    if not keys:
        return ""
    key = keys[0]
    words = f"'{key}' is {_shape(fitting[key])} in the file and {_shape(own[key])} in the network"
    return f"{words}, and {len(keys) - 1} more differ" if len(keys) > 1 else words


def _listed(keys: Sequence[str], what: str) -> str:
    if not keys:
        return ""
    names = ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
    return f"{len(keys)} {'is' if len(keys) == 1 else 'are'} {what} ({names})"


def _joined(facts: Sequence[str]) -> str:
    *others, last = facts
    return f"{', '.join(others)} and {last}" if others else last


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"


def _nearest(state: Mapping[str, Tensor]) -> str:
    """What to write when the weights are those of a known network; empty when they are not."""
    from saliency_viewer.models.recognition import recognise, shapes_of

    found = next(iter(recognise(shapes_of(state))), None)
    if found is None or found.share < _LIKELY:
        return ""
    from saliency_viewer.models.card_text import toml_value

    classes = f" with {_count(found.outputs, 'class')}" if found.outputs else ""
    return (
        f'These look like {found.architecture} weights{classes}: write architecture = "{found.architecture}" and '
        f"arguments = {toml_value(found.arguments)}."
    )
