"""From stored values to modality values, by one path for every photometric interpretation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Window
from saliency_viewer.errors import UserError
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
    stored = _stored(dataset)
    samples = int(number(dataset, "SamplesPerPixel", 1) or 1)
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric == "PALETTE COLOR":
        return _palette(dataset, stored)
    if samples > 1:
        return _coloured(stored.reshape(-1, *stored.shape[-3:]))
    planes = stored.reshape(-1, *stored.shape[-2:])
    return _grey(dataset, planes, inverted=photometric == "MONOCHROME1")


def _stored(dataset: Any) -> NDArray[np.generic]:
    from pydicom.pixels.utils import pixel_array

    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UserError("The DICOM file holds no pixels.", "Copy it again from its source.")
    try:
        found: NDArray[np.generic] = pixel_array(dataset)
    except Exception as error:
        raise UserError(
            "The pixels of a DICOM file cannot be decoded: the file is cut short, damaged, or of an unknown encoding.",
            "Copy it again from its source, or convert it to an uncompressed transfer syntax.",
            f"{type(error).__name__}, transfer syntax {text(getattr(dataset, 'file_meta', {}), 'TransferSyntaxUID')}",
        ) from error
    return found


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
    if planes.dtype.kind == "f":
        return Decoded(planes.astype(np.float32), None, None, _window(dataset))
    bits = int(number(dataset, "BitsStored", planes.dtype.itemsize * 8) or planes.dtype.itemsize * 8)
    signed = planes.dtype.kind == "i"
    clean = _clean(planes, bits, signed)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = _rescale(dataset)
    window = _window(dataset)
    if dataset.get("ModalityLUTSequence") and slope == 1.0 and intercept == 0.0:
        return _by_table(dataset, clean, inverted, window)
    # MONOCHROME1 is turned round on the stored values, so that its MONOCHROME2 twin gives the very same image.
    if inverted:
        clean = ((low + high) - clean.astype(np.int64)).astype(clean.dtype)
        mirrored = slope * (low + high) + 2 * intercept
        window = None if window is None else Window(mirrored - window.centre, window.width)
    bounds = sorted((slope * low + intercept, slope * high + intercept))
    return Decoded(_scaled(clean, slope, intercept, bounds), None, (bounds[0], bounds[1]), window)


def _clean(planes: NDArray[np.generic], bits: int, signed: bool) -> NDArray[np.generic]:
    """Clear bits above the stored ones: old overlays and garbage live there."""
    spare = planes.dtype.itemsize * 8 - bits
    if spare <= 0:
        return planes
    whole: NDArray[np.integer] = planes.astype(planes.dtype, copy=False)
    if signed:
        return np.asarray(np.right_shift(np.left_shift(whole, spare), spare))
    return np.asarray(np.bitwise_and(whole, planes.dtype.type(2**bits - 1)))


def _rescale(dataset: Any) -> tuple[float, float]:
    """Slope and intercept; of an enhanced file those of its first frame."""
    groups, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    macro = functional(groups[0] if groups else None, shared[0] if shared else None, "PixelValueTransformationSequence")
    for source in (dataset, macro):
        slope = number(source, "RescaleSlope")
        if slope is not None and slope != 0:
            return slope, number(source, "RescaleIntercept", 0.0) or 0.0
    return 1.0, number(dataset, "RescaleIntercept", 0.0) or 0.0


def _scaled(values: NDArray[np.generic], slope: float, intercept: float, bounds: list[float]) -> NDArray[np.generic]:
    if slope == 1.0 and intercept == 0.0:
        return values
    if slope == 1.0 and intercept.is_integer():
        # Hounsfield units stay integers: half of the memory of floats, and exact.
        dtype = np.int16 if bounds[0] >= -32768 and bounds[1] <= 32767 else np.int32
        return (values.astype(np.int32) + int(intercept)).astype(dtype)
    return (values.astype(np.float32) * np.float32(slope) + np.float32(intercept)).astype(np.float32)


def _by_table(dataset: Any, values: NDArray[np.generic], inverted: bool, window: Window | None) -> Decoded:
    from pydicom.pixels.processing import apply_modality_lut

    mapped = np.asarray(apply_modality_lut(values, dataset)).astype(np.float32)
    low, high = float(mapped.min()), float(mapped.max())
    if inverted:
        mapped = (low + high) - mapped
        window = None if window is None else Window(low + high - window.centre, window.width)
    return Decoded(mapped, None, (low, high), window)


def _window(dataset: Any) -> Window | None:
    """The first window, or the range of the first VOI table."""
    groups, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    macro = functional(groups[0] if groups else None, shared[0] if shared else None, "FrameVOILUTSequence")
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
