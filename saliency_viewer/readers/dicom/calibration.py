"""What a pixel measures, and where."""

from __future__ import annotations

from typing import Any

from saliency_viewer.readers.dicom.header import functional, items, number, numbers, shared_groups, text
from saliency_viewer.spatial.geometry import Calibration

PROJECTIONS = ("CR", "DX", "MG", "RF", "XA", "PX", "IO", "RG", "XC")
_STRETCHED = 10.0  # times that a pixel can be longer than wide
_LARGEST = 1e4  # mm; a pixel or a gap beyond it is damage
_SMALLEST = 1e-6
_TISSUE = 1  # spatial format of an ultrasound region: a picture of tissue
_CENTIMETRES = 3  # its physical unit


def pixel_spacing(dataset: Any) -> tuple[tuple[float, float], Calibration]:
    """((row, column) spacing in mm, where it holds); pixels' shape and "none" when the file does not say.

    On projections, pixel spacing is one in the patient only when the file says how it was calibrated, or when it
    differs from the detector's (PS3.3 10.7.1.3); else it holds at the detector.
    """
    patient = _usable(numbers(dataset, "PixelSpacing")) or _usable(_enhanced(dataset))
    detector = _usable(numbers(dataset, "ImagerPixelSpacing"))
    if patient is not None:
        # A volume reconstructed from projections lies in the patient.
        projected = text(dataset, "Modality") in PROJECTIONS and not _located(dataset)
        corrected = text(dataset, "PixelSpacingCalibrationType") or (detector is not None and detector != patient)
        return patient, "detector" if projected and not corrected else "patient"
    if detector is not None:
        return detector, "detector"
    ultrasound = _ultrasound(dataset)
    if ultrasound is not None:
        return ultrasound, "patient"
    scanned = _usable(numbers(dataset, "NominalScannedPixelSpacing"))
    return (scanned, "detector") if scanned is not None else (_aspect(dataset), "none")


def _aspect(dataset: Any) -> tuple[float, float]:
    """(row, column) size of pixels of which only the ratio is known; the smaller side is one."""
    ratio = _usable(numbers(dataset, "PixelAspectRatio"))
    if ratio is None or not 1 / _STRETCHED <= ratio[0] / ratio[1] <= _STRETCHED:
        return 1.0, 1.0
    return ratio[0] / min(ratio), ratio[1] / min(ratio)


def _located(dataset: Any) -> bool:
    return bool(numbers(dataset, "ImagePositionPatient")) or bool(_enhanced(dataset))


def _enhanced(dataset: Any) -> tuple[float, ...]:
    return numbers(_measures(dataset), "PixelSpacing")


def _measures(dataset: Any) -> Any:
    first = next(iter(items(dataset, "PerFrameFunctionalGroupsSequence")), None)
    return functional(first, shared_groups(dataset), "PixelMeasuresSequence")


def _ultrasound(dataset: Any) -> tuple[float, float] | None:
    """(row, column) mm of the ultrasound regions that show tissue, when all of them agree (PS3.3 C.8.5.5)."""
    found = set()
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        if number(region, "RegionSpatialFormat") != _TISSUE:
            continue
        units = {number(region, "PhysicalUnitsXDirection"), number(region, "PhysicalUnitsYDirection")}
        right, down = number(region, "PhysicalDeltaX", 0.0), number(region, "PhysicalDeltaY", 0.0)
        if units != {_CENTIMETRES} or not right or not down:
            return None
        found.add((round(abs(down) * 10, 9), round(abs(right) * 10, 9)))
    return _usable(found.pop()) if len(found) == 1 else None


def slice_distance(dataset: Any) -> float:
    """Distance of slices in mm as the header claims it, 1 when it does not."""
    return said_slice_distance(dataset) or 1.0


def said_slice_distance(dataset: Any) -> float | None:
    """Distance of slices in mm as the header claims it, None when it does not."""
    for source in (dataset, _measures(dataset)):
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            found = numbers(source, keyword)
            if found and _SMALLEST < abs(found[0]) < _LARGEST:
                return abs(found[0])
    return None


def _usable(values: tuple[float, ...]) -> tuple[float, float] | None:
    if len(values) == 2 and all(_SMALLEST < one < _LARGEST for one in values):
        return values[0], values[1]
    return None
