"""Masks in: label maps, Slicer's and DICOM's segmentations, and outlines of radiotherapy become regions.

MASK_READERS is asked in order; the first that accepts a file reads it onto the file's own grid, and
:func:`~saliency_viewer.readers.masks.placing.place` brings the regions onto the image's.
"""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.domain import RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.base import MaskReader
from saliency_viewer.readers.masks.dicom_seg import SegReader
from saliency_viewer.readers.masks.itk_masks import ItkMaskReader
from saliency_viewer.readers.masks.nifti_masks import NiftiMaskReader
from saliency_viewer.readers.masks.other_dicom import OtherDicomReader
from saliency_viewer.readers.masks.pictures import PictureMaskReader
from saliency_viewer.readers.masks.placing import place
from saliency_viewer.readers.masks.rtstruct import RtStructReader
from saliency_viewer.spatial import Geometry

__all__ = ["MASK_READERS", "MaskReader", "load_regions"]

MASK_READERS: tuple[MaskReader, ...] = (
    NiftiMaskReader(),
    ItkMaskReader(),
    PictureMaskReader(),
    SegReader(),
    RtStructReader(),
    OtherDicomReader(),
)


def load_regions(path: str | Path, geometry: Geometry) -> RegionSet:
    """The regions that a mask file marks, on the image's grid.

    Parameters
    ----------
    path:
        A label map (NIfTI, NRRD, MHA; a picture whose grey values are labels), a segmentation of 3D Slicer
        (``.seg.nrrd``), a DICOM SEG (binary, fractional or label map) or an RTSTRUCT.
    geometry:
        The image's grid: (slice, row, column), LPS mm.

    Returns
    -------
    RegionSet
        On ``geometry``, in the file's order, with the file's names and colours where it has them. A mask with one
        value is called "region", other labels "label N", the volumes of a 4D file "volume N". ``warnings`` say
        what was made of the file: soft edges cut at half the maximum, a mask resampled from another grid, parts
        outside the image, structures that could not be used.

    Raises
    ------
    UserError
        When the file is absent, damaged, an image rather than a mask, or marks nothing; when it names another frame
        of reference than the image; when no part of it lies in the image; and, if the file or the image has no
        place in the patient (pictures, radiographs), when their shapes differ.

    Notes
    -----
    A file on the image's voxels, in any order of axes and cropped or padded, is taken over exactly. Any other grid
    is resampled to the nearest voxel through patient millimetres.
    """
    place_of_file = Path(path).expanduser()
    if not place_of_file.is_file():
        raise UserError("There is no such mask file.", "Check the path.")
    for reader in MASK_READERS:
        if reader.accepts(place_of_file):
            return place(reader.read(place_of_file, geometry), geometry)
    raise UserError(
        "The mask is of no known format.", "Use NIfTI, NRRD, .seg.nrrd, MHA, PNG, DICOM SEG or DICOM RTSTRUCT."
    )
