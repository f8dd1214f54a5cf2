"""DICOM files that are no masks, refused with the reason."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.domain import RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.scan import looks_like_dicom
from saliency_viewer.readers.masks.dicom_file import open_dicom
from saliency_viewer.spatial import Geometry


class OtherDicomReader:
    """Stands behind the readers of SEG and RTSTRUCT."""

    name = "DICOM"

    def accepts(self, path: Path) -> bool:
        """Any DICOM file."""
        return looks_like_dicom(path)

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """Raises :class:`UserError` always."""
        dataset = open_dicom(path)
        if "Rows" in dataset or "PixelData" in dataset:
            raise UserError(
                "The DICOM file is an image, not a mask.", "Choose a segmentation (SEG) or a structure set (RTSTRUCT)."
            )
        raise UserError("The DICOM file holds no mask.", "Choose a segmentation (SEG) or a structure set (RTSTRUCT).")
