"""Masks in NIfTI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from saliency_viewer.domain import LabelTable, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.label_maps import MOST_VOLUMES, regions_of_values, regions_of_volumes
from saliency_viewer.readers.masks.naming import of_mask
from saliency_viewer.readers.nifti import NiftiImage, NiftiReader, nifti_array, nifti_geometry, nifti_header
from saliency_viewer.readers.voxels import read_volumes
from saliency_viewer.runtime.context import RunContext
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
        if header.stored.colour:
            raise UserError("The mask holds colours, which are no labels.", "Save a label map.")
        grid, words = nifti_geometry(header)
        found = _regions(path, header, grid)
        return replace(found, warnings=(*of_mask((*header.warnings, *words)), *found.warnings))


def _regions(path: Path, header: NiftiImage, grid: Geometry) -> RegionSet:
    count = header.stored.volumes
    if count > MOST_VOLUMES:
        raise UserError(
            f"The mask file holds {count} volumes: it is a time series, not a set of masks.",
            f"Choose a label map, or a file with at most {MOST_VOLUMES} volumes.",
        )
    if count > 1:
        return regions_of_volumes(read_volumes(header.stored, RunContext()), grid)
    values = nifti_array(path)
    table = _table(header)
    if table is None or values.dtype.kind not in "iu":
        return regions_of_values(values, grid)
    return table.regions(np.asarray(values), grid)


def _table(header: NiftiImage) -> LabelTable | None:
    """The table that our own exporter writes into the header, with the regions' names."""
    decoded = (note.content.decode("utf-8", "replace") for note in header.header.extensions)
    return next((table for table in map(LabelTable.from_json, decoded) if table is not None), None)
