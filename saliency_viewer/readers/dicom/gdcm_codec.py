"""Grey pictures that pydicom's decoders refuse, by the GDCM inside SimpleITK."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEPT = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


def gdcm_picture(dataset: Any, encoded: bytes) -> NDArray[Any] | None:
    """(row, column) stored values of one compressed picture; None when GDCM cannot read it either.

    GDCM sees the bare pixels only: no scale and no MONOCHROME1, which it would apply, and nothing of the patient.
    """
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="saliency-viewer-") as folder:
        path = Path(folder) / "pixels.dcm"
        _bare(dataset, encoded).save_as(path, enforce_file_format=True)
        reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            found: NDArray[Any] = np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()))
        except RuntimeError:
            return None
    return found.reshape(found.shape[-2:]) if found.size == found.shape[-1] * found.shape[-2] else None


def _bare(dataset: Any, encoded: bytes) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    bare.PhotometricInterpretation = "MONOCHROME2"
    for keyword in _KEPT:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    bare.PixelData = encapsulate([encoded])
    bare["PixelData"].is_undefined_length = True
    return bare
