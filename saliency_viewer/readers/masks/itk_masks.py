"""Masks in NRRD and MetaImage, 3D Slicer's segmentations among them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.itk import ItkReader, itk_header
from saliency_viewer.readers.masks.claims import require_bytes, require_voxels
from saliency_viewer.readers.masks.label_maps import MOST_VOLUMES, regions_of_values, regions_of_volumes
from saliency_viewer.readers.masks.naming import of_mask
from saliency_viewer.readers.masks.slicer import segments_of, slicer_regions
from saliency_viewer.readers.text_header import unusual
from saliency_viewer.spatial import Geometry

_DETACHED = (".nhdr", ".mhd")  # the voxels lie in another file
_COLOURS = ("RGB-color", "RGBA-color", "HSV-color", "XYZ-color")
_WIDEST = 8  # bytes of one number


class ItkMaskReader:
    """Label maps; several components at each voxel, or a fourth axis, are layers that may overlap."""

    name = "NRRD / MetaImage"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return ItkReader().accepts(path)

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """The regions; named and coloured as Slicer wrote them into the header of a ``.seg.nrrd``."""
        # Refuses voxels in other folders and sizes beyond the file before ITK follows either.
        header = itk_header(path)
        reader = _information(path)
        texts = {key: _text(reader, key) for key in reader.GetMetaDataKeys()}
        _require_labels(reader, texts, path)
        layers = _layers(reader)
        # Not ITK's grid: where the header is silent, ITK puts axes, an origin and millimetres of its own.
        grid = header.geometry
        if layers[0].shape != grid.shape:
            raise unusual("keeps its layers in an order of its own")
        found = _regions(layers, grid, texts)
        return replace(found, warnings=(*of_mask(header.warnings), *found.warnings))


def _regions(layers: list[NDArray[np.generic]], grid: Geometry, texts: dict[str, str]) -> RegionSet:
    segments = segments_of(texts, len(layers))
    if segments:
        return slicer_regions(layers, grid, segments)
    return regions_of_values(layers[0], grid) if len(layers) == 1 else regions_of_volumes(layers, grid)


def _information(path: Path) -> Any:
    import SimpleITK

    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _damaged(error) from error
    return reader


def _text(reader: Any, key: str) -> str:
    try:
        return str(reader.GetMetaData(key)).encode("utf-8", "replace").decode("utf-8")
    except Exception:  # keys and texts of no known encoding are as good as none
        return ""


def _require_labels(reader: Any, texts: dict[str, str], path: Path) -> None:
    import SimpleITK

    words = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())  # type: ignore[no-untyped-call]
    if "complex" in words or texts.get("NRRD_kinds[pixel]") in _COLOURS:
        raise UserError("The mask holds colours or complex numbers, which are no labels.", "Save it as a label map.")
    axes, parts = reader.GetDimension(), reader.GetNumberOfComponents()
    layers = parts * (reader.GetSize()[3] if axes == 4 else 1)
    if axes not in (2, 3, 4) or (axes == 4 and parts > 1):
        raise UserError("The file holds no label map of two or three dimensions.", "Save the mask as one label map.")
    if not 1 <= layers <= MOST_VOLUMES:
        raise UserError(
            f"The mask file holds {layers} layers; at most {MOST_VOLUMES} can be shown.", "Save fewer in one file."
        )
    voxels = prod(map(int, reader.GetSize())) * parts
    if path.suffix.lower() in _DETACHED:
        require_voxels(voxels * _WIDEST)
    else:
        require_bytes(path, voxels)  # one byte each at least


def _layers(reader: Any) -> list[NDArray[np.generic]]:
    """(slice, row, column) arrays, views of one."""
    import SimpleITK

    try:
        values = np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()))
    except (RuntimeError, MemoryError) as error:
        raise _damaged(error) from error
    axes = reader.GetDimension()
    if reader.GetNumberOfComponents() > 1:
        parts = list(np.moveaxis(values, -1, 0))
    else:
        parts = list(values) if axes == 4 else [values]
    return [part[None] if part.ndim == 2 else part for part in parts]


def _damaged(error: Exception) -> UserError:
    return UserError("The mask file is damaged or cut short.", "Copy it again from its source.", type(error).__name__)
