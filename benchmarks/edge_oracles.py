"""What other programs and plain arithmetic say of a DICOM file's values and places."""

from __future__ import annotations

import io
import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70))
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_RLE = "1.2.840.10008.1.2.5"
_NATIVE = tuple(f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99"))
_FLOATS = {"FloatPixelData": "<f4", "DoubleFloatPixelData": "<f8"}


@dataclass(frozen=True, eq=False)
class Pixels:
    """(frame, row, column) modality values, or (frame, row, column, 3) colours of 8 bits, and who decoded them."""

    values: NDArray[Any]
    by: str


@cache
def header(path: Path) -> Any:
    """The file's elements as pydicom parses them; none of its decoders is used here."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset:  # one file lacks the mark that ends its pixels
            dataset = pydicom.dcmread(io.BytesIO(path.read_bytes() + b"\xfe\xff\xdd\xe0\0\0\0\0"), force=True)
    if "NumberOfFrames" in dataset and not str(dataset["NumberOfFrames"].value).strip().isdigit():
        plane = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
        dataset.NumberOfFrames = len(dataset.PixelData) // plane  # "1A": as many as there are bytes for
    return dataset


def oracle(path: Path) -> Pixels | None:
    """The picture by the first of dcmtk, GDCM and arithmetic that knows its encoding."""
    dataset = header(path)
    floats = next((keyword for keyword in _FLOATS if keyword in dataset), "")
    if floats:
        raw = np.frombuffer(dataset[floats].value, _FLOATS[floats])
        return Pixels(raw.reshape(-1, dataset.Rows, dataset.Columns), "arithmetic: the file's own floats")
    if dataset.SamplesPerPixel > 1 or dataset.PhotometricInterpretation == "PALETTE COLOR":
        return _coloured(path, dataset)
    for decode in (_by_dcmtk, _by_gdcm):
        raw = decode(path, dataset)
        if raw is not None:
            return Pixels(modality_values(dataset, raw), "dcmtk" if decode is _by_dcmtk else "GDCM")
    return None


def _tool(dataset: Any) -> list[str]:
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", _NATIVE[0]))
    if syntax in _JPEG:
        return ["dcmdjpeg"]
    if syntax in _JPEG_LS:
        return ["dcmdjpls"]
    if syntax == _RLE:
        return ["dcmdrle"]
    return ["dcmconv", "+te"] if syntax in _NATIVE else []


def _by_dcmtk(path: Path, dataset: Any) -> NDArray[Any] | None:
    """(frame, row, column) stored numbers, all allocated bits."""
    import pydicom

    tool = _tool(dataset)
    if not tool:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "decoded.dcm"
        done = subprocess.run([*tool, str(path), str(target)], capture_output=True)
        if done.returncode or not target.exists():
            return None
        decoded = pydicom.dcmread(target)
        return _numbers(decoded, decoded.PixelData, dataset)


def _numbers(decoded: Any, raw: bytes, dataset: Any) -> NDArray[Any] | None:
    kind = "i" if dataset.PixelRepresentation else "u"
    dtype = np.dtype(f"<{kind}{decoded.BitsAllocated // 8}")
    count = int(dataset.get("NumberOfFrames") or 1) * dataset.Rows * dataset.Columns
    if len(raw) < count * dtype.itemsize:
        return None
    return np.frombuffer(raw, dtype, count).reshape(-1, dataset.Rows, dataset.Columns)


def _by_gdcm(path: Path, dataset: Any) -> NDArray[Any] | None:
    """By GDCM's own reader, which neither scales nor inverts; ITK's wrapper around it does both."""
    found = _gdcm_bytes(path)
    if found is None:
        return None
    dtype = np.dtype(f"<{'i' if dataset.PixelRepresentation else 'u'}{found[1] // 8}")
    return np.frombuffer(found[0], dtype).reshape(-1, dataset.Rows, dataset.Columns)


def _gdcm_bytes(path: Path) -> tuple[bytes, int] | None:
    """Decoded bytes, and bits allocated to a number of them."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        return None
    image = reader.GetImage()  # lives as long as its reader
    buffer = image.GetBuffer()
    if buffer is None:
        return None
    return buffer.encode("utf-8", "surrogateescape"), image.GetPixelFormat().GetBitsAllocated()


def _coloured(path: Path, dataset: Any) -> Pixels | None:
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        command = ["dcmj2pnm", "--all-frames", "--write-raw-pnm", str(path), str(Path(folder) / "frame")]
        done = subprocess.run(command, capture_output=True)
        pictures = sorted(Path(folder).iterdir(), key=lambda one: int(one.name.split(".")[1]))
        if done.returncode == 0 and pictures:
            frames = np.stack([np.asarray(Image.open(one).convert("RGB")) for one in pictures])
            return Pixels(frames, "dcmtk")
    found = _gdcm_bytes(path)
    if found is None:
        return None
    raw = np.frombuffer(found[0], np.uint8)
    return Pixels(raw.reshape(-1, dataset.Rows, dataset.Columns, 3), "GDCM")


def modality_values(dataset: Any, raw: NDArray[Any]) -> NDArray[Any]:
    """Modality values of stored numbers: bits outside the stored ones cut, MONOCHROME1 turned, table or scale."""
    size, stored = raw.dtype.itemsize * 8, int(dataset.BitsStored)
    high, signed = int(dataset.HighBit), bool(dataset.PixelRepresentation)
    values = raw.astype(np.int64) >> (high + 1 - stored) if size > high + 1 - stored else raw.astype(np.int64)
    values = values & (2**stored - 1)
    if signed:
        values = np.where(values >= 2 ** (stored - 1), values - 2**stored, values)
    table = dataset.get("ModalityLUTSequence")
    if table:
        first = int(np.atleast_1d(table[0].LUTDescriptor)[1])
        entries = np.frombuffer(table[0].LUTData, "<u2") if isinstance(table[0].LUTData, bytes) else table[0].LUTData
        return np.asarray(entries)[np.clip(values - first, 0, len(entries) - 1)]
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = (2**stored - 1 if not signed else -1) - values
    scales = _scales(dataset, len(values))
    return np.stack([plane * slope + shift for plane, (slope, shift) in zip(values, scales, strict=True)])


def _scales(dataset: Any, count: int) -> list[tuple[float, float]]:
    if dataset.get("Modality") == "RTDOSE":
        return [(float(dataset.DoseGridScaling), 0.0)] * count
    found = []
    for k in range(count):
        item = (_group(dataset, k, "PixelValueTransformationSequence") or [dataset])[0]
        found.append((float(item.get("RescaleSlope") or 1), float(item.get("RescaleIntercept") or 0)))
    return found


def _group(dataset: Any, frame: int, keyword: str) -> Any:
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for item in ([own[frame]] if own else []) + ([shared[0]] if shared else []):
        if keyword in item:
            return item[keyword].value
    return None


def planes(dataset: Any) -> list[NDArray[np.float64]] | None:
    """The 4 x 4 matrix (row, column, 0, 1) to LPS mm of each frame (PS3.3 C.7.6.2.1.1); None without places."""
    found = []
    for k in range(int(dataset.get("NumberOfFrames") or 1)):
        position = (_group(dataset, k, "PlanePositionSequence") or [dataset])[0].get("ImagePositionPatient")
        sides = (_group(dataset, k, "PlaneOrientationSequence") or [dataset])[0].get("ImageOrientationPatient")
        spacing = (_group(dataset, k, "PixelMeasuresSequence") or [dataset])[0].get("PixelSpacing")
        if not position or not sides or not spacing:
            return None
        right, down = np.array(sides[:3], float), np.array(sides[3:], float)
        matrix = np.eye(4)
        matrix[:3, 0], matrix[:3, 1] = down * float(spacing[0]), right * float(spacing[1])
        matrix[:3, 2] = np.cross(right, down)
        matrix[:3, 3] = np.array(position, float)
        if "GridFrameOffsetVector" in dataset:
            matrix[:3, 3] += matrix[:3, 2] * float(dataset.GridFrameOffsetVector[k])
        found.append(matrix)
    return found


def itk_corners(path: Path, shape: tuple[int, int, int]) -> NDArray[np.float64] | None:
    """(corner, 3) LPS mm of the grid as SimpleITK has it, in the order of :func:`corners`; None when it cannot."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # type: ignore[no-untyped-call]
    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        image = reader.Execute()
    except RuntimeError:
        return None
    size = (*image.GetSize(), 1)[:3]
    if size[::-1] != shape:
        return None
    if image.GetDimension() == 2:
        return None
    indices = [[float(x) for x in one[::-1]] for one in corners(shape)]
    return np.array([image.TransformContinuousIndexToPhysicalPoint(one) for one in indices])


def corners(shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """(slice, row, column) of the outermost voxels."""
    ends = [sorted({0, length - 1}) for length in shape]
    return [(s, r, c) for s in ends[0] for r in ends[1] for c in ends[2]]


def tiles(mosaic: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(tile, row, column) of a Siemens mosaic (1, row, column), from the top left, row by row."""
    across = mosaic.shape[2] // shape[2]
    cut = (divmod(k, across) for k in range(shape[0]))
    return np.stack([mosaic[0, r * shape[1] :, c * shape[2] :][: shape[1], : shape[2]] for r, c in cut])


def niix(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """(voxels (i, j, k), affine to LPS mm) by dcm2niix; None when it cannot."""
    import nibabel

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        source.mkdir()
        (source / "one.dcm").write_bytes(path.read_bytes())
        subprocess.run(["dcm2niix", "-z", "n", "-f", "out", "-o", folder, str(source)], capture_output=True)
        found = next(iter(sorted(Path(folder).glob("*.nii"))), None)
        if found is None:
            return None
        image: Any = nibabel.load(found)  # type: ignore[attr-defined]
        return np.array(image.dataobj), np.diag([-1.0, -1, 1, 1]) @ image.affine
