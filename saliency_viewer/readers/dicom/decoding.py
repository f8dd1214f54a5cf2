"""Stored values of a file: by pydicom, and by GDCM what pydicom's decoders refuse."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import number, text
from saliency_viewer.readers.dicom.payload import mend_frames, mend_syntax

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
_KEPT = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)


def stored_values(dataset: Any) -> NDArray[np.generic]:
    """Stored values, (row, column), with a first axis of frames and a last one of colours where there are any.

    Raises :class:`UserError` when the pixels are missing, damaged or of no known encoding.
    """
    from pydicom.pixels.utils import pixel_array

    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UserError("The DICOM file holds no pixels.", "Copy it again from its source.")
    mend_syntax(dataset)
    mend_frames(dataset, len(dataset.get("PixelData") or b""))
    try:
        found: NDArray[np.generic] = pixel_array(dataset)
    except Exception as error:  # decoders raise whatever they like
        other = gdcm_values(dataset)
        if other is not None:
            return other
        raise UserError(
            "The pixels of a DICOM file cannot be decoded: the file is cut short, damaged, or of an unknown encoding.",
            "Copy it again from its source, or convert it to an uncompressed transfer syntax.",
            f"{type(error).__name__}, transfer syntax {text(dataset.file_meta, 'TransferSyntaxUID')}",
        ) from error
    return found


def gdcm_values(dataset: Any) -> NDArray[np.generic] | None:
    """Stored values of compressed grey pixels by the GDCM inside SimpleITK; None when it cannot read them either.

    It sees the bare pixels only: no scale and no MONOCHROME1, which it would apply, and nothing of the patient.
    """
    import SimpleITK

    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    if syntax in _NATIVE or (number(dataset, "SamplesPerPixel", 1) or 1) > 1:
        return None
    with tempfile.TemporaryDirectory(prefix="saliency-viewer-") as folder:
        path = Path(folder) / "pixels.dcm"
        _bare(dataset).save_as(path, enforce_file_format=True)
        reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            found: NDArray[np.generic] = np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()))
        except RuntimeError:
            return None
    return found[0] if found.ndim == 3 and found.shape[0] == 1 else found


def _bare(dataset: Any) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage, generate_uid

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    bare.PhotometricInterpretation = "MONOCHROME2"
    for keyword in _KEPT:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    return bare
