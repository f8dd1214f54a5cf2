"""How large a region is, in voxels and, where the image is calibrated, in the patient."""

from __future__ import annotations

from saliency_viewer.measure.evidence import RegionEvidence
from saliency_viewer.measure.measured import Measured, undefined

UNCALIBRATED = "the image has no calibration, so only voxels can be counted"
NO_SPACE = "the slices are pictures in time or of unknown places, so they enclose no volume"
AT_DETECTOR = "millimetres at the detector; in the patient it is smaller by the magnification"


def voxels(region: RegionEvidence) -> Measured:
    """Voxels that count in every other row; held against |Omega|."""
    return Measured(float(region.voxels), float(region.whole.voxels), region.missing or region.left_out)


def volume_ml(region: RegionEvidence) -> Measured:
    """Volume of the region as drawn, also of what the model did not see."""
    if not region.whole.amap.geometry.through_space:
        return undefined(NO_SPACE)
    return _calibrated(region, region.whole.amap.geometry.voxel_volume / 1000.0)


def area_mm2(region: RegionEvidence) -> Measured:
    """Area of the region as drawn on a radiograph, also of what the model did not see."""
    return _calibrated(region, region.whole.amap.geometry.pixel_area)


def _calibrated(region: RegionEvidence, unit: float) -> Measured:
    calibration = region.whole.amap.geometry.calibration
    if calibration == "none":
        return undefined(UNCALIBRATED)
    return Measured(region.drawn * unit, None, AT_DETECTOR if calibration == "detector" else "")
