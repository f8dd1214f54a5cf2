"""Writing one small compressed DICOM file with each codec, to see that the installation can read it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


@dataclass(frozen=True)
class Codec:
    """A transfer syntax under the name that users know."""

    name: str
    syntax: str


CODECS = (
    Codec("uncompressed", "1.2.840.10008.1.2.1"),
    Codec("RLE", "1.2.840.10008.1.2.5"),
    Codec("JPEG", JPEG_BASELINE),
    Codec("JPEG-LS", "1.2.840.10008.1.2.4.80"),
    Codec("JPEG 2000", "1.2.840.10008.1.2.4.90"),
)


def encode(picture: NDArray[np.uint8], syntax: str, path: Path) -> bool:
    """Write ``picture`` (row, column) as a grey Secondary Capture; True when the codec may change values a little."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "OT"
    dataset.set_pixel_data(picture, "MONOCHROME2", 8, generate_instance_uid=False)
    if syntax == JPEG_BASELINE:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, format="JPEG", quality=95)
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    elif syntax != str(ExplicitVRLittleEndian):
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return syntax == JPEG_BASELINE
