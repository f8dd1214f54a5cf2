"""A chest phantom as a Digital X-Ray Image - For Presentation."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation

from saliency_viewer.phantoms.dicom_common import add_pixels, decimal, new_object, save
from saliency_viewer.phantoms.phantom import Phantom


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def write_dicom_dx(phantom: Phantom, folder: Path) -> list[Path]:
    """Write ``image.dcm`` into ``folder``; raises :class:`UserError` when the disk refuses.

    Rows and columns are those of the phantom; spacing is that at the detector.
    """
    return [save(dx_object(phantom), Path(folder) / "image.dcm")]


def dx_object(phantom: Phantom) -> Dataset:
    """The phantom as a dataset that is not yet written."""
    volume = phantom.volume
    ds = new_object(phantom, DigitalXRayImageStorageForPresentation, 1)
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = volume.view
    ds.ImageLaterality = "U"
    ds.PatientOrientation = ["L", "F"]
    region = _code("51185008", "SCT", "Chest")
    ds.AnatomicRegionSequence = Sequence([region])
    view = _code("272479007", "SCT", "postero-anterior")
    ds.ViewCodeSequence = Sequence([view])
    ds.AcquisitionContextSequence = Sequence([])
    ds.DetectorType = "DIRECT"
    ds.PositionerType = "NONE"
    spacing = [decimal(volume.geometry.spacing[1]), decimal(volume.geometry.spacing[2])]
    ds.ImagerPixelSpacing = spacing
    ds.PixelSpacing = spacing
    ds.PixelSpacingCalibrationType = "GEOMETRY"
    ds.PixelSpacingCalibrationDescription = "Parallel beam: no magnification"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.LossyImageCompression = "00"
    if volume.window is not None:
        ds.WindowCenter, ds.WindowWidth = decimal(volume.window.centre), decimal(volume.window.width)
    add_pixels(ds, volume.array[0])
    return ds
