"""A brain phantom as a series of MR images, one file a slice."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import MRImageStorage

from saliency_viewer.phantoms.dicom_common import add_pixels, decimal, new_object, save, stable_uid
from saliency_viewer.phantoms.phantom import Phantom


def write_dicom_mr(phantom: Phantom, folder: Path) -> list[Path]:
    """Write ``slice_001.dcm`` and so on into ``folder``; raises :class:`UserError` when the disk refuses."""
    return [_write_slice(phantom, index, Path(folder)) for index in range(phantom.volume.geometry.shape[0])]


def _write_slice(phantom: Phantom, index: int, folder: Path) -> Path:
    volume, geometry = phantom.volume, phantom.volume.geometry
    ds = new_object(phantom, MRImageStorage, index + 1)
    ds.FrameOfReferenceUID = stable_uid(volume.modality, phantom.seed, phantom.side or "none", "frame")
    ds.PositionReferenceIndicator = ""
    ds.PatientPosition = "HFS"
    ds.BodyPartExamined = "BRAIN"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = ["GR", "IR"], "MP", ""
    ds.MRAcquisitionType = "3D"
    ds.RepetitionTime, ds.EchoTime, ds.InversionTime = "2000", "3", "900"
    ds.EchoTrainLength = 1
    ds.FlipAngle = "9"
    ds.MagneticFieldStrength = "3"
    spacing = geometry.spacing
    ds.SliceThickness = ds.SpacingBetweenSlices = decimal(spacing[0])
    ds.PixelSpacing = [decimal(spacing[1]), decimal(spacing[2])]
    direction = geometry.direction
    ds.ImageOrientationPatient = [decimal(value) for value in (*direction[:, 2], *direction[:, 1])]
    position = geometry.to_patient((index, 0, 0))
    ds.ImagePositionPatient = [decimal(float(value)) for value in position]
    ds.SliceLocation = decimal(float(position[2]))
    if volume.window is not None:
        ds.WindowCenter, ds.WindowWidth = decimal(volume.window.centre), decimal(volume.window.width)
    add_pixels(ds, volume.array[index])
    return save(ds, folder / f"slice_{index + 1:03d}.dcm")
