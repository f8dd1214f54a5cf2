"""What the phantom's DICOM objects have in common: patient, study, identifiers, pixels."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from saliency_viewer.phantoms.phantom import Phantom
from saliency_viewer.runtime.files import make_folder, write_error
from saliency_viewer.runtime.seeds import generator

_DATE, _TIME = "20200101", "120000"


def stable_uid(*parts: str | int) -> UID:
    """A UID under 2.25 (PS3.5, B.2) that depends on nothing but ``parts``."""
    number = uuid.UUID(bytes=generator(0, "uid", *parts).bytes(16), version=4).int
    return UID(f"2.25.{number}")


def new_object(phantom: Phantom, sop_class: str, number: int) -> Dataset:
    """Patient, study, series, equipment and SOP common modules of instance ``number``."""
    kind = phantom.volume.modality
    root = (kind, phantom.seed, phantom.side or "none")
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = UID(sop_class)
    ds.SOPInstanceUID = stable_uid(*root, "instance", number)
    ds.StudyInstanceUID = stable_uid(*root, "study")
    ds.SeriesInstanceUID = stable_uid(*root, "series")
    for name in ("Study", "Series", "Content", "Acquisition"):
        setattr(ds, f"{name}Date", _DATE)
        setattr(ds, f"{name}Time", _TIME)
    ds.Modality = kind
    ds.Manufacturer = "Saliency Viewer"
    ds.ManufacturerModelName = "Phantom"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = "1"
    ds.PatientName = "MADE^UP"
    ds.PatientID = f"PHANTOM-{phantom.seed}"
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.StudyID = "1"
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Synthetic phantom"
    ds.SeriesDescription = f"Phantom {phantom.volume.body_part.lower()}"
    ds.SeriesNumber = 1
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = number
    ds.BurnedInAnnotation = "NO"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Synthetic image, there is no patient"
    return ds


def add_pixels(ds: Dataset, plane: NDArray[np.generic]) -> None:
    """The image pixel module for (row, column) 12-bit values."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = plane.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = plane.astype("<u2").tobytes()


def save(ds: Dataset, path: Path) -> Path:
    """Write a DICOM file; raises :class:`UserError` when the disk refuses."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    make_folder(path.parent)
    try:
        ds.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise write_error(error) from error
    return path


def decimal(value: float) -> str:
    """A number as a DICOM decimal string (at most 16 characters)."""
    return f"{value:.10g}"
