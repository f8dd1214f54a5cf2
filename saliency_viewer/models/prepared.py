"""From a volume to the network's input, and from a map on the network's grid back to the volume's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models.intensity import IntensityChain, Values, fit_steps, needs_whole_image
from saliency_viewer.models.spatial_chain import SpatialChain, plan_chain

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's input, and what the way back needs.

    Parameters
    ----------
    inputs:
        (N, C, *spatial) float32 tensor; N samples are the slices of a slice-wise network, else 1.
    slices:
        Which slices of the volume; empty for 3D.
    shape:
        (slice, row, column) of the volume.
    darkest, brightest:
        What the darkest and the brightest representable value become, one entry for each channel.
    """

    inputs: Tensor = field(repr=False)
    slices: tuple[int, ...]
    shape: tuple[int, int, int]
    chain: SpatialChain
    layout: str
    darkest: tuple[float, ...]
    brightest: tuple[float, ...]


class Preparation:
    """The chain of one card fitted to one volume; gives the inputs of any of its slices.

    Raises :class:`UserError` when the volume does not suit the card.
    """

    def __init__(self, spec: InputSpec, volume: Volume) -> None:
        self._spec = spec
        self._volume = volume
        self._chain = plan_chain(spec, volume.geometry)
        self._uses_colour = volume.colour is not None and spec.channels == 3 and spec.layout != "2.5d"
        low, high = _interval(volume, self._uses_colour)
        self._low, self._high = low, high
        # Whole volumes are looked at only where a step depends on them: a CT of 400 slices has 400 MB as float32.
        whole = self._modality(range(volume.geometry.shape[0])) if needs_whole_image(spec.intensity) else None
        self._intensity: IntensityChain = fit_steps(spec.intensity, spec.channels, whole, (low, high))

    def of(self, slices: tuple[int, ...], device: str = "cpu") -> Prepared:
        """Inputs for these slices; for a 3D network ``slices`` is not looked at."""
        import torch

        spec = self._spec
        if spec.layout == "3d":
            slices, arrays = (), self._block()[None]
        elif spec.layout == "2d":
            arrays = np.moveaxis(self._planes(slices), 1, 0)
        else:
            arrays = self._neighbourhoods(slices)
        return Prepared(
            inputs=torch.from_numpy(np.array(arrays, dtype=np.float32, order="C")).to(device),
            slices=slices,
            shape=self._volume.geometry.shape,
            chain=self._chain,
            layout=spec.layout,
            darkest=self._of_value(self._low),
            brightest=self._of_value(self._high),
        )

    def _of_value(self, value: float) -> tuple[float, ...]:
        """What one modality value becomes in each channel."""
        channels = np.broadcast_to(self._intensity.of_value(value), (self._spec.channels,))
        return tuple(float(entry) for entry in channels)

    def _modality(self, slices: range | tuple[int, ...]) -> Values:
        """(channel, slice, row, column) float32; one channel for grey values. What is not finite becomes darkest."""
        chosen = list(slices)
        if self._uses_colour and self._volume.colour is not None:
            return np.moveaxis(self._volume.colour[chosen], -1, 0).astype(np.float32)
        values = self._volume.array[chosen].astype(np.float32)[None]
        if not np.isfinite(values).all():
            values = np.where(np.isfinite(values), values, np.float32(self._low))
        return values

    def _planes(self, slices: tuple[int, ...]) -> Values:
        """(channel, slice, *size) of a 2D network."""
        values = self._chain.forward(self._intensity.apply(self._modality(slices)))
        return np.broadcast_to(values, (self._spec.channels, *values.shape[1:]))

    def _block(self) -> Values:
        values = self._chain.forward(self._intensity.apply(self._modality(range(self._volume.geometry.shape[0]))))
        return np.broadcast_to(values, (self._spec.channels, *values.shape[1:]))

    def _neighbourhoods(self, slices: tuple[int, ...]) -> Values:
        """(sample, neighbour, *size) of a 2.5D network."""
        wanted = neighbours(slices, self._spec.channels, self._volume.geometry.shape[0], self._chain)
        used = tuple(sorted({index for row in wanted for index in row}))
        values = self._chain.forward(self._intensity.apply(self._modality(used)))
        place = {index: k for k, index in enumerate(used)}
        picked = [[values[min(j, len(values) - 1), place[index]] for j, index in enumerate(row)] for row in wanted]
        return np.asarray(picked, dtype=np.float32)


def neighbours(slices: tuple[int, ...], channels: int, count: int, chain: SpatialChain) -> tuple[tuple[int, ...], ...]:
    """For each slice the slices that its channels show; beyond the volume the outermost slice is repeated."""
    step = -1 if chain.turn.slices_reversed else 1
    reach = range(-(channels // 2), channels // 2 + 1)
    return tuple(tuple(min(max(index + step * k, 0), count - 1) for k in reach) for index in slices)


def _interval(volume: Volume, colour: bool) -> tuple[float, float]:
    """What the encoding can represent, else the extremes of the finite values."""
    if colour:
        return 0.0, 255.0
    if volume.value_range is not None:
        return volume.value_range
    finite = volume.array[np.isfinite(volume.array)] if volume.array.dtype.kind == "f" else volume.array
    if not finite.size:
        raise UserError("The image holds no finite values.", "Choose another series.")
    return float(finite.min()), float(finite.max())


def project_map(values: NDArray[np.float32], prepared: Prepared) -> NDArray[np.float32]:
    """A map on the network's grid as one on the volume's.

    Parameters
    ----------
    values:
        (N, 1, *spatial) or (N, C, *spatial) float32; channels are summed, except that those of a 2.5D
        network go to the slices they show.

    Returns
    -------
    (slice, row, column) float32: linear interpolation at every voxel centre, NaN where the network saw
    nothing. What lies in the padding falls away.
    """
    if values.ndim != 2 + len(prepared.chain.axes) or values.shape[2:] != prepared.chain.size:
        raise ValueError(f"a map of shape {values.shape} is not on the grid {prepared.chain.size}")
    values = values.astype(np.float32)
    if prepared.layout == "3d":
        return prepared.chain.backward(values[0].sum(axis=0))
    out = np.full(prepared.shape, np.nan, dtype=np.float32)
    channels = values.shape[1]
    by_neighbour = prepared.layout == "2.5d" and channels > 1
    if not by_neighbour:
        values = values.sum(axis=1, keepdims=True)
        channels = 1
    places = neighbours(prepared.slices, channels, prepared.shape[0], prepared.chain)
    for sample, row in zip(values, places, strict=True):
        planes = prepared.chain.backward(np.ascontiguousarray(sample))
        for plane, index in zip(planes, row, strict=True):
            # A slice shown to several samples gets the sum of what it contributed to them.
            out[index] = plane if np.isnan(out[index]).all() else out[index] + plane
    return out
