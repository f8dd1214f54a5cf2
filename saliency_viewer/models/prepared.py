"""From a volume to the network's input, and from a map on the network's grid back to the volume's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models.intensity import IntensityChain, Toned, Values, fit_steps, needs_whole_image
from saliency_viewer.models.spatial_chain import SpatialChain, plan_chain

if TYPE_CHECKING:
    from torch import Tensor

_AT_ONCE = 16  # slices, where a whole volume is looked at


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
        (N, C) what the darkest and the brightest representable value become.
    """

    inputs: Tensor = field(repr=False)
    slices: tuple[int, ...]
    shape: tuple[int, int, int]
    chain: SpatialChain
    layout: str
    darkest: NDArray[np.float32]
    brightest: NDArray[np.float32]


class Preparation:
    """The chain of one card fitted to one volume; gives the inputs of any of its slices.

    ``chain`` is the way to the network's grid and back. Raises :class:`UserError` when the volume does not suit the
    card.
    """

    def __init__(self, spec: InputSpec, volume: Volume) -> None:
        self._spec = spec
        self.volume = volume
        self._all = tuple(range(volume.geometry.shape[0]))
        wants_colour = spec.channels == 3 and spec.layout != "2.5d" and spec.colour != "grey"
        self._uses_colour = volume.colour is not None and wants_colour
        self._interval = _interval(volume, self._uses_colour)
        # Whole volumes are looked at only where a step depends on them: a CT of 400 slices has 400 MB as float32.
        whole = self._modality(self._all) if needs_whole_image(spec.intensity) else None
        self._before = fit_steps(spec.intensity, spec.channels, whole, self._interval)
        del whole
        self.chain = plan_chain(spec, volume.geometry, self._look)
        self._after = self._fit_after()

    def of(self, slices: tuple[int, ...], device: str = "cpu") -> Prepared:
        """Inputs for these slices; for a 3D network ``slices`` is not looked at."""
        import torch

        spec = self._spec
        if spec.layout == "3d":
            slices, block = (), self._after.apply(self._block)
            arrays, ends = (
                self._in_channels(block.values)[None],
                self._in_channels(block.ends.mean(axis=1, keepdims=True)),
            )
        elif spec.layout == "2d":
            planes = self._after.apply(self._on_grid(slices))
            arrays, ends = self._in_channels(planes.values).swapaxes(0, 1), self._in_channels(planes.ends)
        else:
            arrays, ends = self._neighbourhoods(slices)
        chain = replace(self.chain, turned_round=spec.axes == "xyz")
        arrays = chain.in_networks_order(arrays)
        limits = np.moveaxis(ends[:, :, 0, :], 1, 0)  # (sample, channel, end)
        return Prepared(
            inputs=torch.from_numpy(np.array(arrays, dtype=np.float32, order="C")).to(device),
            slices=slices,
            shape=self.volume.geometry.shape,
            chain=chain,
            layout=spec.layout,
            darkest=limits[..., 0],
            brightest=limits[..., 1],
        )

    def _in_channels(self, values: Values) -> Values:
        return np.broadcast_to(values, (self._spec.channels, *values.shape[1:]))

    def _modality(self, slices: Sequence[int]) -> Values:
        """(channel, slice, row, column) float32; one channel for grey values. What is not finite becomes darkest."""
        chosen = list(slices)
        if self._uses_colour and self.volume.colour is not None:
            return np.moveaxis(self.volume.colour[chosen], -1, 0).astype(np.float32)
        values = self.volume.array[chosen].astype(np.float32)[None]
        if not np.isfinite(values).all():
            values = np.where(np.isfinite(values), values, np.float32(self._interval[0]))
        return values

    def _toned(self, slices: Sequence[int]) -> Toned:
        return self._before.apply(Toned.of(self._modality(slices), self._interval))

    def _look(self, chain: SpatialChain) -> Values:
        """The whole image after the intensity steps and the way ``chain``."""
        if self._spec.layout == "3d":
            return chain.forward(self._toned(self._all).values)
        return self._collected(lambda part: chain.forward(self._toned(part).values))

    def _collected(self, make: Callable[[Sequence[int]], Values]) -> Values:
        parts = [self._all[k : k + _AT_ONCE] for k in range(0, len(self._all), _AT_ONCE)]
        return np.concatenate([make(part) for part in parts], axis=1)

    def _on_grid(self, slices: Sequence[int]) -> Toned:
        """Slices of a slice-wise network before the last intensity steps."""
        toned = self._toned(slices)
        return Toned(self.chain.forward(toned.values), toned.ends, toned.intervals)

    @cached_property
    def _block(self) -> Toned:
        """The volume of a 3D network before the last intensity steps; its slices are mixed, so the ends are too."""
        toned = self._toned(self._all)
        values = self.chain.forward(toned.values)
        depth = values.shape[1]
        ends = np.repeat(toned.ends.mean(axis=1, keepdims=True), depth, axis=1)
        lows, highs = zip(*toned.intervals, strict=True)
        return Toned(values, ends, ((min(lows), max(highs)),) * depth)

    def _fit_after(self) -> IntensityChain:
        spec, before = self._spec, self._before
        if not spec.intensity_after:
            return fit_steps((), spec.channels, None, self._interval)
        if spec.layout == "3d":
            return fit_steps(spec.intensity_after, spec.channels, self._block.values, self._block.intervals[0])
        if before.rest:  # every slice already went its own way
            return fit_steps(spec.intensity_after, spec.channels, None, self._interval, by_slice=True)
        interval = before.fitted[-1].interval if before.fitted else self._interval
        looks = needs_whole_image(spec.intensity_after)
        whole = self._collected(lambda part: self._on_grid(part).values) if looks else None
        return fit_steps(spec.intensity_after, spec.channels, whole, interval)

    def _neighbourhoods(self, slices: tuple[int, ...]) -> tuple[Values, Values]:
        """(sample, neighbour, *size) of a 2.5D network, and (neighbour, sample, 1, 2) ends."""
        wanted = neighbours(slices, self._spec.channels, len(self._all), self.chain)
        used = tuple(sorted({index for row in wanted for index in row}))
        planes = self._after.apply(self._on_grid(used))
        place = {index: k for k, index in enumerate(used)}
        picks = [[(min(j, len(planes.values) - 1), place[index]) for j, index in enumerate(row)] for row in wanted]
        values = np.asarray([[planes.values[pick] for pick in row] for row in picks], dtype=np.float32)
        ends = np.asarray([[planes.ends[min(pick[0], len(planes.ends) - 1), pick[1]] for pick in row] for row in picks])
        return values, np.moveaxis(ends, 0, 1)


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
