"""Small DICOM files made here, so that every test knows the truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

Maker = Callable[..., Any]
FolderMaker = Callable[..., Path]

_SERIES = "1.2.826.0.1.3680043.8.498.1"


def _dataset(array: NDArray[np.generic], changes: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = _SERIES
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CT", "Zyxwv^Quirin", "ID-900719"
    dataset.Rows, dataset.Columns = array.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.7, 0.5], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient, dataset.InstanceNumber = [1, 2, 0], 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = array.astype(np.uint16).tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """``make(name, array, **attributes)`` writes one file; None as a value deletes the attribute."""

    def write(name: str, array: NDArray[np.generic], compress: str | None = None, **changes: Any) -> Path:
        dataset = _dataset(array, changes)
        if compress is not None:
            dataset.compress(compress, generate_instance_uid=False)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def stack(make: Maker, tmp_path: Path) -> FolderMaker:
    """``stack(places)`` writes slices at these millimetres; slice k holds the value 10 k + 1024."""

    def write(places: list[float], **each: Callable[[int], Any]) -> Path:
        for k, z in enumerate(places):
            # Names that sort against the places, so that only positions can give the order.
            changes: dict[str, Any] = {"ImagePositionPatient": [1, 2, z], "InstanceNumber": k + 1}
            changes |= {key: function(k) for key, function in each.items()}
            make(f"series/{(7919 * (k + 3)) % 997:04d}.dcm", np.full((6, 8), 1024 + 10 * k), **changes)
        return tmp_path / "series"

    return write
