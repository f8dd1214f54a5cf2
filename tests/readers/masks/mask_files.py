"""Small mask files made here, so that every test knows the truth. SEGs are written by highdicom."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    generate_uid,
)

from saliency_viewer.spatial import Geometry

FRAME = "1.2.826.0.1.3680043.8.498.77"
_STUDY = "1.2.826.0.1.3680043.8.498.1"


def grid(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float] = (2.5, 0.7, 0.8),
    origin: tuple[float, float, float] = (-31.0, 12.0, 100.0),
    turn: NDArray[np.float64] | None = None,
    frame: str = "",
) -> Geometry:
    """An axial grid in the patient; ``turn`` rotates it."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.eye(3)[:, ::-1] * spacing
    affine[:3, 3] = origin
    return Geometry(shape, affine, frame_of_reference=frame)


def rotation(degrees: float, axis: int) -> NDArray[np.float64]:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    first, second = (k for k in range(3) if k != axis)
    turned = np.eye(3)
    turned[first, first] = turned[second, second] = cosine
    turned[first, second], turned[second, first] = -sine, sine
    return turned


def ras_affine(geometry: Geometry) -> NDArray[np.float64]:
    """NIfTI's affine for (column, row, slice)."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.affine[:, [2, 1, 0, 3]]


def _head(sop_class: str, frame: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _STUDY, generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Zyxwv^Quirin", "ID-900719", "19000101"
    dataset.PatientSex, dataset.AccessionNumber, dataset.StudyID = "O", "", "1"
    dataset.StudyDate, dataset.StudyTime, dataset.ReferringPhysicianName = "20200101", "101010", ""
    if frame:
        dataset.FrameOfReferenceUID = frame
    dataset.PositionReferenceIndicator = ""
    return dataset


def ct_series(geometry: Geometry, places: Sequence[float] | None = None) -> list[Dataset]:
    """The headers of a CT series on ``geometry``, or with its slices at these fractional indices."""
    found = []
    indices = range(geometry.shape[0]) if places is None else places
    for number, k in enumerate(indices, start=1):
        dataset = _head(CTImageStorage, geometry.frame_of_reference or FRAME)
        dataset.Modality, dataset.InstanceNumber, dataset.SeriesInstanceUID = "CT", number, f"{_STUDY}.2"
        dataset.Rows, dataset.Columns = geometry.shape[1:]
        dataset.PixelSpacing = [round(size, 10) for size in geometry.spacing[1:]]
        dataset.SliceThickness = round(geometry.spacing[0], 10)
        dataset.ImagePositionPatient = [f"{place:.10f}"[:16] for place in geometry.to_patient([k, 0, 0])]
        direction = np.concatenate([geometry.direction[:, 2], geometry.direction[:, 1]])
        dataset.ImageOrientationPatient = [f"{part:.12f}"[:16] for part in direction]
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = bytes(2 * geometry.shape[1] * geometry.shape[2])
        found.append(dataset)
    return found


def segmentation(
    sources: Sequence[Dataset],
    masks: NDArray[Any],
    kind: str = "BINARY",
    names: Sequence[str] = ("liver",),
    colours: Sequence[tuple[int, int, int]] = (),
    **more: Any,
) -> Any:
    """A SEG by highdicom; ``masks`` is (slice, row, column) labels or (slice, row, column, segment)."""
    organ = Code("123037004", "SCT", "Anatomical Structure")
    descriptions = [
        highdicom.seg.SegmentDescription(
            number,
            name,
            organ,
            organ,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
            display_color=highdicom.color.CIELabColor.from_rgb(*colours[number - 1]) if colours else None,
        )
        for number, name in enumerate(names, start=1)
    ]
    return highdicom.seg.Segmentation(
        list(sources),
        masks,
        kind,
        descriptions,
        generate_uid(),
        1,
        generate_uid(),
        1,
        "maker",
        "model",
        "1",
        "0",
        **more,
    )


def contour(points: Any, kind: str = "CLOSED_PLANAR") -> Dataset:
    """A contour of (n, 3) LPS points."""
    item = Dataset()
    item.ContourGeometricType = kind
    array = np.asarray(points, dtype=float)
    item.NumberOfContourPoints = len(array)
    item.ContourData = [f"{value:.8f}"[:16] for value in array.ravel()]
    return item


def structure_set(
    structures: Mapping[str, Sequence[Dataset]], frame: str = FRAME, colour: Any = (255, 128, 0)
) -> Dataset:
    """An RTSTRUCT with these contours."""
    dataset = _head(RTStructureSetStorage, frame)
    dataset.Modality, dataset.StructureSetLabel = "RTSTRUCT", "label"
    rois, drawn = [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        rois.append(roi)
        outline = Dataset()
        outline.ReferencedROINumber, outline.ROIDisplayColor = number, list(colour)
        outline.ContourSequence = list(contours)
        drawn.append(outline)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = rois, drawn
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def file_bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def circle(centre: Sequence[float], radius: float, corners: int = 400) -> NDArray[np.float64]:
    """LPS points of an axial circle."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    x, y, z = centre
    return np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(corners, float(z))])
