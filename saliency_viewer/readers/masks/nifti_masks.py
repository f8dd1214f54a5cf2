"""Masks in NIfTI."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import LabelTable, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.claims import require_bytes
from saliency_viewer.readers.masks.label_maps import MOST_VOLUMES, regions_of_values, regions_of_volumes
from saliency_viewer.readers.nifti import NiftiReader, nifti_array, nifti_geometry, nifti_header
from saliency_viewer.spatial import Geometry


class NiftiMaskReader:
    """Label maps and soft masks; each volume of a 4D file is a region of its own."""

    name = "NIfTI"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return NiftiReader().accepts(path)

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """The regions; names from the label table that our own exporter writes, where there is one."""
        header = nifti_header(path)
        kind = header.get_data_dtype()
        if kind.kind not in "buif":
            raise UserError("The mask holds colours or complex numbers, which are no labels.", "Save a label map.")
        require_bytes(path, prod(map(int, header.shape)) * kind.itemsize)
        grid = _grid(header)
        count = prod(map(int, header.shape[3:]))
        if count > MOST_VOLUMES:
            raise UserError(
                f"The mask file holds {count} volumes: it is a time series, not a set of masks.",
                f"Choose a label map, or a file with at most {MOST_VOLUMES} volumes.",
            )
        if count > 1:
            return regions_of_volumes(_volumes(header, count), grid)
        values = nifti_array(path)
        table = _table(header)
        if table is None or values.dtype.kind not in "iu":
            return regions_of_values(values, grid)
        return table.regions(np.asarray(values), grid)


def _grid(header: Any) -> Geometry:
    try:
        return nifti_geometry(header)[0]
    except Exception as error:  # a damaged header may hold any numbers
        raise _damaged(error) from error


def _volumes(header: Any, count: int) -> Iterator[NDArray[np.generic]]:
    for number in range(count):
        place = np.unravel_index(number, header.shape[3:], order="F")
        try:
            values = np.asanyarray(header.dataobj[(..., *map(int, place))])
        except Exception as error:  # nibabel and zlib raise whatever they like for a damaged file
            raise _damaged(error) from error
        if values.dtype.kind == "f":
            values = values.astype(np.float32, copy=False)
        yield np.ascontiguousarray(values.transpose(2, 1, 0))


def _damaged(error: Exception) -> UserError:
    return UserError("The NIfTI file is cut short or damaged.", "Copy it again from its source.", type(error).__name__)


def _table(header: Any) -> LabelTable | None:
    """The table that our own exporter writes into the header, with the regions' names."""
    texts = [extension.get_content() for extension in header.header.extensions]
    decoded = (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in texts)
    return next((table for table in map(LabelTable.from_json, decoded) if table is not None), None)
