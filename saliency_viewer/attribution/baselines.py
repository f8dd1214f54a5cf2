"""The reference input that path methods start from."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from saliency_viewer.errors import UserError

BASELINES = ("minimum", "zero", "mean", "maximum", "blur")
DEFAULT_BASELINE = "minimum"
_BLUR_PART = 0.1  # standard deviation of the blur as a part of each side


def make_baseline(wish: str | Tensor | None, inputs: Tensor) -> Tensor:
    """A tensor like ``inputs`` (N, C, *spatial).

    ``minimum`` (default) is each channel's lowest value, ``maximum`` its highest, ``mean`` its mean, ``blur`` a
    strongly blurred copy.
    A tensor of the caller's is broadcast. Raises :class:`UserError` for another name or shape.
    """
    if isinstance(wish, Tensor):
        try:
            return wish.to(inputs).expand_as(inputs).clone()
        except RuntimeError:
            raise UserError(
                f"The baseline's shape {tuple(wish.shape)} does not fit the input's {tuple(inputs.shape)}.",
                "Give a baseline of the input's shape.",
            ) from None
    name = wish or DEFAULT_BASELINE
    if name == "zero":
        return inputs.new_zeros(inputs.shape)
    levels: dict[str, Callable[[Tensor, int], Tensor]] = {
        "minimum": lambda flat, axis: flat.amin(axis),
        "maximum": lambda flat, axis: flat.amax(axis),
        "mean": lambda flat, axis: flat.mean(axis),
    }
    if name in levels:
        level = levels[name](inputs.flatten(2), 2)
        return level.reshape(*level.shape, *[1] * (inputs.ndim - 2)).expand_as(inputs).clone()
    if name == "blur":
        return _blurred(inputs)
    raise UserError(f"There is no baseline '{name}'.", f"Choose one of: {', '.join(BASELINES)}.")


def _blurred(inputs: Tensor) -> Tensor:
    from scipy import ndimage

    sigma = [0.0, 0.0, *[_BLUR_PART * size for size in inputs.shape[2:]]]
    blurred = ndimage.gaussian_filter(inputs.detach().cpu().numpy(), sigma, mode="nearest")
    return inputs.new_tensor(blurred)
