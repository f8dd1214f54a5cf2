"""Label maps as regions on an image's grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import LabelTable, RegionSet, regions_from_labels
from saliency_viewer.errors import UserError
from saliency_viewer.readers.itk import ItkReader, itk_array, itk_geometry
from saliency_viewer.readers.nifti import NiftiReader, nifti_array, nifti_geometry, nifti_header
from saliency_viewer.readers.raster import RasterReader, label_picture
from saliency_viewer.spatial import Geometry, require_same_grid

_MOST_LABELS = 64  # more distinct values than this are grey levels of a soft mask, not labels
_LOSSY = (".jpg", ".jpeg")
_WHAT = "The mask"


def load_regions(path: str | Path, geometry: Geometry) -> RegionSet:
    """Regions of a label map (NIfTI, NRRD, MHA, or a picture whose grey values are labels).

    A file with geometry must lie on the image's grid, in any axis order; of a picture only the shape is
    compared. A mask with one value becomes "region", others "label N" (chest masks with 0, 127 and 255 mark a
    part of the lung behind the heart by 127: two labels); a soft mask, and one that a JPEG has blurred, is cut at
    half its maximum, which ``warnings`` say.
    Raises :class:`UserError` for another shape or place, for several volumes in one file, for colours, and for files
    that hold no labels.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise UserError("There is no such mask file.", "Check the path.")
    if NiftiReader().accepts(place):
        image = nifti_header(place)
        if image.ndim > 3 and max(image.shape[3:]) > 1:
            raise UserError(
                f"The mask file holds {image.shape[3]} volumes.",
                "Save each as a file of its own, or all as one label map.",
            )
        values = _onto(nifti_array(place), nifti_geometry(image)[0], geometry)
        table = _table(image)
        if table is not None:
            return table.regions(values.astype(np.int32), geometry)
    elif ItkReader().accepts(place):
        values = _onto(itk_array(place), itk_geometry(place), geometry)
    elif RasterReader().accepts(place):
        values = _picture(place, geometry)
        return _regions(values, geometry, place.suffix.lower() in _LOSSY)
    else:
        raise UserError("The mask is of no known format.", "Use NIfTI, NRRD, MHA or PNG.")
    return _regions(values, geometry)


def _table(image: Any) -> LabelTable | None:
    """The table that our own exporter writes into the header, with the regions' names."""
    texts = [extension.get_content() for extension in image.header.extensions]
    decoded = (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in texts)
    return next((table for table in map(LabelTable.from_json, decoded) if table is not None), None)


def _picture(path: Path, geometry: Geometry) -> NDArray[np.generic]:
    grey = label_picture(path)
    require_same_grid(geometry, Geometry((1, *grey.shape), geometry.affine), _WHAT)
    return grey[None]


def _onto(values: NDArray[np.generic], found: Geometry, wanted: Geometry) -> NDArray[np.generic]:
    """``values`` in the image's axis order, when they lie on the same voxels."""
    if found.same_as(wanted):
        return values
    turned = _turned(values, found, wanted)
    if turned is not None:
        return turned
    require_same_grid(wanted, found, _WHAT)
    return values


def _turned(values: NDArray[np.generic], found: Geometry, wanted: Geometry) -> NDArray[np.generic] | None:
    """Permute and flip axes so that both grids agree; None when no turn does it."""
    relative = np.linalg.inv(found.affine) @ wanted.affine
    steps = np.rint(relative[:3, :3]).astype(int)
    if not np.allclose(relative[:3, :3], steps, atol=1e-3) or not np.array_equal(
        np.abs(steps).sum(0) + np.abs(steps).sum(1), [2, 2, 2]
    ):
        return None
    order = [int(np.argmax(np.abs(steps[:, axis]))) for axis in range(3)]
    turned = values.transpose(order)
    flips = tuple(axis for axis in range(3) if steps[order[axis], axis] < 0)
    turned = np.flip(turned, flips)
    affine = found.affine[:, [*order, 3]].copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
        affine[:3, axis] *= -1
    z, y, x = turned.shape
    return np.ascontiguousarray(turned) if Geometry((z, y, x), affine).same_as(wanted) else None


def _regions(values: NDArray[np.generic], geometry: Geometry, soft: bool = False) -> RegionSet:
    finite = np.nan_to_num(values) if values.dtype.kind == "f" else values
    distinct = np.unique(finite)
    fractions = finite.dtype.kind == "f" and not np.array_equal(distinct, np.rint(distinct))
    warnings: tuple[str, ...] = ()
    if fractions or distinct.size > (2 if soft else _MOST_LABELS):
        half = float(finite.max()) / 2
        levels = f"The mask holds grey levels, no labels: what lies above half its maximum ({half:g}) is inside."
        warnings = (levels,) if distinct.size > 2 else ()
        finite = np.greater(finite, half).astype(np.uint8)
        distinct = np.unique(finite)
    labels = finite.astype(np.int32)
    nonzero = [int(value) for value in distinct if value]
    if not nonzero:
        raise UserError("The mask is empty: it marks no pixel.", "Choose another file.")
    names = {nonzero[0]: "region"} if len(nonzero) == 1 else {}
    return replace(regions_from_labels(labels, geometry, names), warnings=warnings)
