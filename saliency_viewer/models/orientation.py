"""Turning an image by whole quarter turns and mirrorings, to the sides that a network was trained with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry, axis_codes

_PATIENT_AXES = ("LR", "PA", "SI")


@dataclass(frozen=True)
class Turn:
    """``order[k]`` is the image axis that becomes axis k; ``flips[k]`` says that it then runs backwards.

    Stacks of slices are never flipped for slice-wise networks; ``slices_reversed`` says that they run
    against the wanted side, which matters to the order of neighbouring slices alone.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    slices_reversed: bool = False

    def apply(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn the last three axes (slice, row, column); a view."""
        lead = array.ndim - 3
        turned = array.transpose(*range(lead), *(lead + axis for axis in self.order))
        return self._flipped(turned)

    def undo(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inverse of :meth:`apply`; a view."""
        lead = array.ndim - 3
        straight = self._flipped(array)
        return straight.transpose(*range(lead), *(lead + self.order.index(axis) for axis in range(3)))

    def _flipped(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.flip(array, tuple(array.ndim - 3 + k for k in range(3) if self.flips[k]))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The turned shape."""
        return tuple(shape[axis] for axis in self.order)


def turn_to(code: str, geometry: Geometry, slice_wise: bool) -> Turn:
    """The turn after which axes grow towards ``code`` ("RAS": columns to R, rows to A, slices to S).

    Each image axis counts as the patient axis it is nearest to. A grid of unknown sides stays as it is.
    Raises :class:`UserError` when a slice-wise network would need other slices than the image's own.
    """
    if not code or not geometry.oriented:
        return Turn()
    found = axis_codes(geometry)
    wanted = code[::-1]  # to (slice, row, column)
    order = [next(k for k in range(3) if _patient_axis(found[k]) == _patient_axis(letter)) for letter in wanted]
    flips = [found[axis] != letter for axis, letter in zip(order, wanted, strict=True)]
    if slice_wise and order[0] != 0:
        raise UserError(
            f"This network reads slices that lie {'/'.join(_patient_axis(wanted[0]))} of each other, "
            f"but this image's slices lie {'/'.join(_patient_axis(found[0]))} of each other.",
            "Choose a series of the plane that the model was made for.",
        )
    if slice_wise:
        return Turn((order[0], order[1], order[2]), (False, flips[1], flips[2]), slices_reversed=flips[0])
    return Turn((order[0], order[1], order[2]), (flips[0], flips[1], flips[2]))


def _patient_axis(letter: str) -> str:
    return next(axis for axis in _PATIENT_AXES if letter in axis)
