"""What a pixel measures, and where."""

from __future__ import annotations

from typing import Any

from saliency_viewer.readers.dicom.header import functional, numbers, text
from saliency_viewer.spatial.geometry import Calibration

_PROJECTIONS = ("CR", "DX", "MG", "RF", "XA", "PX", "IO", "RG")


def pixel_spacing(dataset: Any) -> tuple[tuple[float, float], Calibration]:
    """((row, column) spacing in mm, where it holds); ((1, 1), "none") when the file does not say."""
    patient = _usable(numbers(dataset, "PixelSpacing")) or _usable(_enhanced(dataset))
    detector = _usable(numbers(dataset, "ImagerPixelSpacing"))
    if patient is not None:
        # On projections, pixel spacing equal to the detector's was not corrected for magnification.
        uncorrected = detector == patient and not text(dataset, "PixelSpacingCalibrationType")
        projected = text(dataset, "Modality") in _PROJECTIONS
        return patient, "detector" if projected and uncorrected else "patient"
    if detector is not None:
        return detector, "detector"
    return (1.0, 1.0), "none"


def _enhanced(dataset: Any) -> tuple[float, ...]:
    groups, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    measures = functional(groups[0] if groups else None, shared[0] if shared else None, "PixelMeasuresSequence")
    return numbers(measures, "PixelSpacing")


def slice_distance(dataset: Any) -> float:
    """Distance of slices in mm as the header claims it, 1 when it does not."""
    groups, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    measures = functional(groups[0] if groups else None, shared[0] if shared else None, "PixelMeasuresSequence")
    for source in (dataset, measures):
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            found = numbers(source, keyword)
            if found and abs(found[0]) > 1e-6:
                return abs(found[0])
    return 1.0


def _usable(values: tuple[float, ...]) -> tuple[float, float] | None:
    if len(values) == 2 and values[0] > 0 and values[1] > 0:
        return values[0], values[1]
    return None
