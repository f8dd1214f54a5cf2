"""Smooth fields in any number of dimensions: Gaussian blur and band-limited noise, by Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def _squared_frequency(shape: tuple[int, ...], spacing: tuple[float, ...]) -> Field:
    """Squared spatial frequency (cycles per mm) on the grid of ``rfftn``."""
    last = len(shape) - 1
    total: NDArray[np.float64] = np.zeros(())
    for axis, (count, step) in enumerate(zip(shape, spacing, strict=True)):
        line = np.fft.rfftfreq(count, step) if axis == last else np.fft.fftfreq(count, step)
        total = total + (line**2).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return total.astype(np.float32)


def _filtered(values: NDArray[np.floating], gain: Field) -> Field:
    return np.fft.irfftn(np.fft.rfftn(values) * gain, s=values.shape, axes=range(values.ndim)).astype(np.float32)


def blurred(values: NDArray[np.floating], sigma: float, spacing: tuple[float, ...]) -> Field:
    """Gaussian blur of standard deviation ``sigma`` mm; the borders wrap round, so keep them alike."""
    gain = np.exp(-2 * np.pi**2 * sigma**2 * _squared_frequency(values.shape, spacing))
    return _filtered(values, gain.astype(np.float32))


def band_noise(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: tuple[float, ...], wavelength: float
) -> Field:
    """Noise of unit standard deviation whose ripples are about ``wavelength`` mm apart."""
    frequency = np.sqrt(_squared_frequency(shape, spacing)) * wavelength
    gain = np.exp(-0.5 * ((frequency - 1.0) / 0.3) ** 2)
    field = _filtered(rng.standard_normal(shape, dtype=np.float32), gain.astype(np.float32))
    return np.asarray(field / max(float(field.std()), 1e-12), dtype=np.float32)


def below(values: NDArray[np.floating], width: float) -> Field:
    """A smooth switch: 1 where ``values`` is well below zero, 0 well above (the logistic function)."""
    half = np.asarray(values, dtype=np.float32) * np.float32(0.5 / width)
    return np.asarray(0.5 - 0.5 * np.tanh(half), dtype=np.float32)
