"""Checkpoints that hold a network twice, as trained and averaged (EMA): which one is meant the file does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from saliency_viewer.errors import UserError
from saliency_viewer.models.sound_tensors import in_float32

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 3


def refuse_twins(sets: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise :class:`UserError` when sets of weights, by name, have the same shapes as the first, and other values."""
    (name, first), *others = sets.items()
    twins = [other for other, tensors in others if _shapes(tensors) == _shapes(first) and _differ(first, tensors)]
    if twins:
        raise several([name, *twins], f"torch.save(checkpoint['{twins[0]}'], 'weights.pt')")


def refuse_twin_prefixes(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise :class:`UserError` when ``state`` holds all of the network's ``own`` weights under several prefixes."""
    anchor = max(own, key=len, default="")
    prefixes = [key.removesuffix(anchor) for key in state if key.endswith(anchor)] if anchor else []
    sets = {}
    for prefix in prefixes:
        complete = all(prefix + key in state and state[prefix + key].shape == own[key].shape for key in own)
        if complete and (not prefix or prefix.endswith(".")):
            sets[prefix] = {key: state[prefix + key] for key in own}
    first = next(iter(sets), "")
    twins = [prefix for prefix in sets if prefix != first and _differ(sets[first], sets[prefix])]
    if twins:
        one = max(first, *twins, key=len)
        taken = f"{{k.removeprefix('{one}'): v for k, v in state.items() if k.startswith('{one}')}}"
        names = [prefix.rstrip(".") or "no prefix" for prefix in (first, *twins)]
        raise several(names, f"torch.save({taken}, 'weights.pt')")


def several(names: list[str], example: str) -> UserError:
    """The error that names the sets, and how to save one of them."""
    listed = ", ".join(f"'{name}'" for name in sorted(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return UserError(
        f"The weights file holds several sets of weights: {listed}{more}. It does not say which one is the network.",
        f"Save the one that is meant, such as: {example}.",
    )


def _shapes(tensors: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    return sorted(tuple(tensor.shape) for tensor in tensors.values())


def _differ(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether any value differs; weights in the same order of names are compared."""
    import torch

    first, second = in_float32(first), in_float32(second)  # only what is sound and fits into memory is compared
    return any(not torch.equal(one, other) for one, other in zip(first.values(), second.values(), strict=True))
