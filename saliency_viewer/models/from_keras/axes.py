"""Where the axes of a Keras tensor are inside the translated network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class NotTranslated(Exception):  # noqa: N818 - no mistake, a reason
    """A layer has no translation; its text says why."""


@dataclass(frozen=True)
class Axes:
    """One rule for all tensors of a network.

    Of a channels-last network every tensor with three or more axes is kept with its last axis moved to the second
    place, whatever that axis means; of a channels-first network every tensor is kept as it is.
    """

    channels_last: bool = True

    def inside(self, tensor: Tensor) -> Tensor:
        """From Keras' order of axes to ours."""
        return tensor.movedim(-1, 1) if self.channels_last and tensor.ndim > 2 else tensor

    def outside(self, tensor: Tensor) -> Tensor:
        """From our order of axes to Keras'."""
        return tensor.movedim(1, -1) if self.channels_last and tensor.ndim > 2 else tensor

    def axis(self, axis: int, rank: int) -> int:
        """Where Keras' ``axis`` of a tensor with ``rank`` axes is."""
        axis %= rank
        if not self.channels_last or rank < 3 or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def require(self, layer: Any) -> None:
        """Raise :class:`NotTranslated` for a layer that has its channels elsewhere than the rest."""
        if data_format(layer) not in (None, "channels_last" if self.channels_last else "channels_first"):
            raise NotTranslated(f"the layer '{layer.name}' has its channels on another axis than other layers")

    def require_channels(self, layer: Any, axes: Any, rank: int) -> None:
        """Raise :class:`NotTranslated` unless ``axes`` (one, or a list of one) is that of the channels."""
        listed = list(axes) if isinstance(axes, Sequence) else [axes]
        if len(listed) != 1 or self.axis(int(listed[0]), rank) != 1:
            raise NotTranslated(f"the layer '{layer.name}' works along another axis than that of the channels")


def data_format(layer: Any) -> str | None:
    """The layer's ``data_format``, None for a layer that has none."""
    found = getattr(layer, "data_format", None)
    return found if isinstance(found, str) else None


def array(value: Any) -> Any:
    """A Keras variable or tensor as a float32 torch tensor of its own."""
    import numpy as np
    import torch

    from saliency_viewer.models.from_keras.library import to_numpy

    # A copy: the translated network must not share its weights with Keras'.
    return torch.from_numpy(np.array(to_numpy(value), dtype=np.float32))
