"""From stored values to modality values, by one path for every photometric interpretation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Window
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.decoding import stored_values
from saliency_viewer.readers.dicom.header import functional, number, numbers, text
from saliency_viewer.readers.raster import luminance


@dataclass(frozen=True, eq=False)
class Decoded:
    """Planes of one file.

    ``values`` is (frames, row, column), modality values; ``colour`` (frames, row, column, 3) uint8 or None.
    """

    values: NDArray[np.generic]
    colour: NDArray[np.uint8] | None
    value_range: tuple[float, float] | None
    window: Window | None


def decode(dataset: Any) -> Decoded:
    """Decode every plane of a file. Raises :class:`UserError` when the pixels are damaged or of no known encoding."""
    stored = stored_values(dataset)
    samples = int(number(dataset, "SamplesPerPixel", 1) or 1)
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric == "PALETTE COLOR":
        return _palette(dataset, stored)
    if samples > 1:
        return _coloured(stored.reshape(-1, *stored.shape[-3:]))
    planes = stored.reshape(-1, *stored.shape[-2:])
    return _grey(dataset, planes, inverted=photometric == "MONOCHROME1")


def _coloured(planes: NDArray[np.generic]) -> Decoded:
    top = 255.0 if planes.dtype.itemsize == 1 else 65535.0
    scaled = planes[..., :3].astype(np.float64) * (255.0 / top) if top > 255 else planes[..., :3]
    colour: NDArray[np.uint8] = np.ascontiguousarray(np.rint(scaled)).astype(np.uint8)
    return Decoded(luminance(colour), colour, (0.0, 255.0), None)


def _palette(dataset: Any, stored: NDArray[np.generic]) -> Decoded:
    from pydicom.pixels.processing import apply_color_lut

    try:
        coloured = apply_color_lut(stored, dataset)
    except (ValueError, AttributeError, KeyError, IndexError) as error:
        raise UserError(
            "The colour table of a DICOM file is damaged.", "Copy it again from its source.", type(error).__name__
        ) from error
    return _coloured(coloured.reshape(-1, *coloured.shape[-3:]))


def _grey(dataset: Any, planes: NDArray[np.generic], inverted: bool) -> Decoded:
    """Grey planes; where frames have scales of their own, each gets its own and the ranges are joined."""
    scales = [_rescale(dataset, k) for k in range(len(planes))]
    windows = {_window(dataset, k) for k in range(len(planes))}
    # Frames that disagree share no window; percentiles of the image serve then.
    window = windows.pop() if len(windows) == 1 else None
    if len(set(scales)) == 1:
        return _scaled_grey(dataset, planes, inverted, scales[0], window)
    parts = [
        _scaled_grey(dataset, planes[k : k + 1], inverted, scale, _window(dataset, k)) for k, scale in enumerate(scales)
    ]
    return Decoded(
        joined([part.values for part in parts]),
        None,
        common_range([part.value_range for part in parts]),
        common_window([part.window for part in parts]),
    )


def joined(parts: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Planes (n, row, column) one behind the other, in float32 where any of them is a float."""
    if any(part.dtype.kind == "f" for part in parts):
        return np.concatenate([part.astype(np.float32, copy=False) for part in parts])
    return np.concatenate(parts)


def common_range(ranges: list[tuple[float, float] | None]) -> tuple[float, float] | None:
    """The range that holds all ranges; None when one is unknown."""
    known = [one for one in ranges if one is not None]
    if not known or len(known) < len(ranges):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def common_window(windows: list[Window | None]) -> Window | None:
    """The window on which all agree, else None: one slice's window does not suit the others."""
    return windows[0] if len(set(windows)) == 1 else None


def _scaled_grey(
    dataset: Any, planes: NDArray[np.generic], inverted: bool, scale: tuple[float, float], window: Window | None
) -> Decoded:
    if planes.dtype.kind == "f":
        return Decoded(planes.astype(np.float32), None, None, window)
    bits = int(number(dataset, "BitsStored", planes.dtype.itemsize * 8) or planes.dtype.itemsize * 8)
    signed = planes.dtype.kind == "i"
    clean = _clean(planes, bits, signed)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = scale
    if dataset.get("ModalityLUTSequence") and slope == 1.0 and intercept == 0.0:
        return _by_table(dataset, clean, inverted, window)
    # MONOCHROME1 is turned round on the stored values, so that its MONOCHROME2 twin gives the very same image.
    if inverted:
        clean = ((low + high) - clean.astype(np.int64)).astype(clean.dtype)
        mirrored = slope * (low + high) + 2 * intercept
        window = None if window is None else Window(mirrored - window.centre, window.width)
    bounds = sorted((slope * low + intercept, slope * high + intercept))
    return Decoded(_scaled(clean, slope, intercept), None, (bounds[0], bounds[1]), window)


def _clean(planes: NDArray[np.generic], bits: int, signed: bool) -> NDArray[np.generic]:
    """Clear bits above the stored ones: old overlays and garbage live there."""
    spare = planes.dtype.itemsize * 8 - bits
    if spare <= 0:
        return planes
    whole: NDArray[np.integer] = planes.astype(planes.dtype, copy=False)
    if signed:
        return np.asarray(np.right_shift(np.left_shift(whole, spare), spare))
    return np.asarray(np.bitwise_and(whole, planes.dtype.type(2**bits - 1)))


def _macro(dataset: Any, frame: int, keyword: str) -> Any:
    groups, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    own = groups[frame] if groups and frame < len(groups) else None
    return functional(own, shared[0] if shared else None, keyword)


def _rescale(dataset: Any, frame: int) -> tuple[float, float]:
    """Slope and intercept of one frame."""
    macro = _macro(dataset, frame, "PixelValueTransformationSequence")
    for source in (dataset, macro):
        slope = number(source, "RescaleSlope")
        if slope is not None and slope != 0:
            return slope, number(source, "RescaleIntercept", 0.0) or 0.0
    return 1.0, number(dataset, "RescaleIntercept", 0.0) or 0.0


def _scaled(values: NDArray[np.generic], slope: float, intercept: float) -> NDArray[np.generic]:
    if slope == 1.0 and intercept == 0.0:
        return values
    if slope == 1.0 and intercept.is_integer():
        # Hounsfield units stay integers, in 16 bits where the values themselves (not all possible ones) fit.
        shifted = values.astype(np.int32) + int(intercept)
        fits = shifted.size > 0 and shifted.min() >= -32768 and shifted.max() <= 32767
        return shifted.astype(np.int16) if fits else shifted
    return (values.astype(np.float32) * np.float32(slope) + np.float32(intercept)).astype(np.float32)


def _by_table(dataset: Any, values: NDArray[np.generic], inverted: bool, window: Window | None) -> Decoded:
    from pydicom.pixels.processing import apply_modality_lut

    mapped = np.asarray(apply_modality_lut(values, dataset)).astype(np.float32)
    low, high = float(mapped.min()), float(mapped.max())
    if inverted:
        mapped = (low + high) - mapped
        window = None if window is None else Window(low + high - window.centre, window.width)
    return Decoded(mapped, None, (low, high), window)


def _window(dataset: Any, frame: int) -> Window | None:
    """The first window of one frame, or the range of the first VOI table."""
    macro = _macro(dataset, frame, "FrameVOILUTSequence")
    for source in (dataset, macro):
        centres, widths = numbers(source, "WindowCenter"), numbers(source, "WindowWidth")
        if centres and widths and widths[0] >= 1e-6:
            return Window(centres[0], widths[0])
    tables = dataset.get("VOILUTSequence")
    if tables:
        described = numbers(tables[0], "LUTDescriptor")
        if len(described) == 3 and described[0] > 0:
            return Window(described[1] + described[0] / 2, described[0])
    return None
