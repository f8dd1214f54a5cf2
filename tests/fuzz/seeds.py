"""The sound files that are damaged: made here, and the odd ones of the test images where these are at hand.

Every one of them is of a patient whose name and number must never be said.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from elements import parsed
from numpy.typing import NDArray

NAME, NUMBER = "Zyxwv^Quirin", "QX900719"
SAID = ("zyxwv", "quirin", "qx9007")  # in lower case; none may be said
_LARGEST = 60_000
_LARGE_TOO = ("HTJ2KLossless_08_RGB", "JPGLosslessP14SV1", "parametric_map_float", "liver_nonbyte", "emri_small")


@dataclass(frozen=True)
class Seed:
    """A file's kind, name (its ending counts) and bytes."""

    kind: str
    name: str
    data: bytes


def all_seeds(kinds: tuple[str, ...]) -> list[Seed]:
    """Seeds of these kinds, always in the same order."""
    makers = {"dicom": _dicom, "nifti": _nifti, "itk": _itk, "picture": _pictures, "zip": _zips}
    return [seed for kind in kinds for seed in makers[kind]()]


KINDS = ("dicom", "nifti", "itk", "picture", "zip")


def _dicom() -> Iterator[Seed]:
    noise = np.random.default_rng(3).integers(0, 4096, (40, 48)).astype(np.uint16)
    yield _file("ct.dcm", noise)
    yield _file("signed.dcm", noise.astype(np.int16) - 2048, PixelRepresentation=1, PixelPaddingValue=-2048)
    yield _file("monochrome1.dcm", noise, PhotometricInterpretation="MONOCHROME1", WindowCenter=800, WindowWidth=300)
    for name, syntax in _SYNTAXES.items():
        yield _file(f"{name}.dcm", np.stack([noise] * 3), compress=syntax, NumberOfFrames=3)
    colours = np.random.default_rng(4).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    eight: dict[str, Any] = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PlanarConfiguration": 0}
    yield _file("rgb.dcm", colours, SamplesPerPixel=3, PhotometricInterpretation="RGB", Rows=8, Columns=12, **eight)
    yield _file("enhanced.dcm", np.stack([noise] * 2), NumberOfFrames=2, **_functional_groups())
    yield _file("overlay.dcm", noise, OverlayRows=8)
    yield from _odd()


_SYNTAXES = {"rle": "1.2.840.10008.1.2.5", "ls": "1.2.840.10008.1.2.4.80", "j2k": "1.2.840.10008.1.2.4.90"}


def _functional_groups() -> dict[str, Any]:
    from pydicom.dataset import Dataset

    frames = []
    for k in range(2):
        place, content, frame = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 2 * k]
        content.StackID, content.TemporalPositionIndex = "1", 1
        frame.PlanePositionSequence, frame.FrameContentSequence = [place], [content]
        frames.append(frame)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    return {"PerFrameFunctionalGroupsSequence": frames, "SharedFunctionalGroupsSequence": [shared]}


def _file(name: str, array: NDArray[Any], compress: str = "", **changes: Any) -> Seed:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.7"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CT", NAME, NUMBER
    dataset.OtherPatientIDs, dataset.AccessionNumber = f"{NUMBER}-2", f"{NUMBER}-3"
    dataset.Rows, dataset.Columns = array.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.7, 0.5], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient, dataset.InstanceNumber, dataset.SeriesNumber = [1, 2, 0], 1, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = array.tobytes()
    if changes.pop("OverlayRows", None):
        for element, code, value in ((0x10, "US", 8), (0x11, "US", 12), (0x40, "CS", "G"), (0x50, "SS", [1, 1])):
            dataset.add_new(0x60000000 + element, code, value)
        dataset.add_new(0x60000100, "US", 1)
        dataset.add_new(0x60000102, "US", 0)
        dataset.add_new(0x60003000, "OW", bytes(range(12)))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    if compress:
        dataset.compress(compress, generate_instance_uid=False)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return Seed("dicom", name, stream.getvalue())


def _odd() -> Iterator[Seed]:
    """The small ones of the test images, and a few larger ones whose encoding no small one has."""
    root = Path(os.environ.get("SALIENCY_VIEWER_TEST_DATA", "")) / "dicom_edge"
    if not os.environ.get("SALIENCY_VIEWER_TEST_DATA") or not root.is_dir():
        return
    for path in sorted(root.rglob("*")):
        if not path.is_file() or "dicomdir_media" in path.parts:
            continue
        if path.stat().st_size <= _LARGEST or path.name.startswith(_LARGE_TOO):
            yield Seed("dicom", path.name, _renamed(path.read_bytes()))


def _renamed(raw: bytes) -> bytes:
    """The file with the planted patient, in as many letters as it gives its own."""
    layout = parsed(raw)
    if layout is None or layout.encoded() != raw:
        return raw
    for tag, said in ((0x00100010, NAME), (0x00100020, NUMBER)):
        found = layout.find(tag)
        if found is not None:
            layout.put(tag, found.code, said.encode()[: len(found.value)].ljust(len(found.value)))
    return layout.encoded()


def _nifti() -> Iterator[Seed]:
    import gzip

    import nibabel

    data = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    affine = np.array([[-2, 0.1, 0, 5], [0, 1.5, 0.2, -7], [0.1, 0, 3, 11], [0, 0, 0, 1.0]])
    for name, image in (
        ("one.nii", nibabel.Nifti1Image(data, affine)),
        ("two.nii", nibabel.Nifti2Image(data.astype(np.float32), affine)),
        ("four.nii", nibabel.Nifti1Image(np.stack([data] * 2, axis=3), affine)),
    ):
        image.header["descrip"] = NAME.encode()
        raw = image.to_bytes()
        yield Seed("nifti", name, raw)
        yield Seed("nifti", f"{name}.gz", gzip.compress(raw, mtime=0))


def _itk() -> Iterator[Seed]:
    head = f"sizes: 4 3 2\nspace: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,2)\n# {NAME}\n"
    raw = np.arange(24, dtype="<i2").tobytes()
    start = f"NRRD0004\ntype: short\ndimension: 3\n{head}endian: little\n"
    yield Seed("itk", "raw.nrrd", f"{start}encoding: raw\nspace origin: (1,2,3)\n\n".encode() + raw)
    import gzip

    zipped = gzip.compress(raw, mtime=0)
    yield Seed("itk", "zipped.nrrd", f"{start}encoding: gzip\nspace origin: (1,2,3)\n\n".encode() + zipped)
    yield Seed("itk", "away.nhdr", f"{start}encoding: raw\ndata file: away.raw\n".encode())
    said = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    place = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 1 2\nDimSize = 4 3 2\n"
    whole = f"{said}{place}Comment = {NAME}\nElementType = MET_SHORT\nElementDataFile = "
    yield Seed("itk", "raw.mha", f"{whole}LOCAL\n".encode() + raw)
    yield Seed("itk", "away.mhd", f"{whole}away.raw\n".encode())


def _pictures() -> Iterator[Seed]:
    from PIL import Image

    random = np.random.default_rng(6)
    grey = Image.fromarray(random.integers(0, 256, (9, 13)).astype(np.uint8))
    deep = Image.fromarray(random.integers(0, 65536, (9, 13)).astype(np.uint16))
    colours = Image.fromarray(random.integers(0, 256, (9, 13, 3)).astype(np.uint8))
    for name, picture, options in (
        ("grey.png", grey, {}),
        ("deep.png", deep, {}),
        ("colours.png", colours, {}),
        ("palette.png", colours.quantize(16), {}),
        ("grey.jpg", grey, {}),
        ("grey.bmp", grey, {}),
        ("deep.tif", deep, {}),
        ("zipped.tif", grey, {"compression": "tiff_deflate"}),
        ("pages.tif", grey, {"save_all": True, "append_images": [grey, grey]}),
    ):
        stream = io.BytesIO()
        picture.save(stream, {"jpg": "jpeg", "tif": "tiff"}.get(name[-3:], name[-3:]), **options)
        yield Seed("picture", name, stream.getvalue())


def _zips() -> Iterator[Seed]:
    import zipfile

    inner = next(_dicom()).data
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for member in ("a/1.dcm", f"a/{NAME}.dcm"):
                archive.writestr(zipfile.ZipInfo(member), inner, method)
        yield Seed("zip", name, stream.getvalue())
