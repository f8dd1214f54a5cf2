"""Series of CT slices to measure with: copies of the test images' one, or synthetic ones."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def sources_of(data: str) -> list[Any]:
    """Data sets of the CT series, uncompressed; synthetic ones without the test images."""
    import pydicom

    folder = Path(data) / "ct_series" if data else Path("/nonexistent")
    found = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    for dataset in found:
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress()
    return found or [_synthetic()]


def _synthetic() -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.Rows = dataset.Columns = 512
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.7, 0.7], [1, 0, 0, 0, 1, 0]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    rows, columns = np.mgrid[:512, :512]
    body = 1000 * ((rows - 256) ** 2 + (columns - 256) ** 2 < 200**2)
    noise = np.random.default_rng(0).normal(24, 12, (512, 512))
    dataset.PixelData = np.clip(body + noise, 0, 4095).astype("<u2").tobytes()
    return dataset


def write(folder: Path, sources: Sequence[Any], count: int, compress: str = "", sparse: bool = False) -> Path:
    """``count`` slices of one series, 1 mm apart; of sparse ones only the headers are stored."""
    from pydicom.uid import generate_uid

    folder.mkdir(parents=True)
    series, study = generate_uid(), generate_uid()
    for k in range(count):
        dataset = copy.deepcopy(sources[k % len(sources)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.InstanceNumber = series, study, k + 1
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        if compress:
            dataset.compress(compress, generate_instance_uid=False)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        raw, path = stream.getvalue(), folder / f"{(k * 7919) % 10007:05d}.dcm"
        path.write_bytes(raw[: len(raw) - len(dataset.PixelData)] if sparse else raw)
        os.truncate(path, len(raw))
    return folder
