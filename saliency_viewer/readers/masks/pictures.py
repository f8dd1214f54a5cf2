"""Pictures whose grey values are labels."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.domain import RegionSet
from saliency_viewer.readers.masks.label_maps import regions_of_values
from saliency_viewer.readers.raster import RasterReader, label_picture
from saliency_viewer.spatial import Geometry

_LOSSY = (".jpg", ".jpeg")


class PictureMaskReader:
    """PNG, TIFF, BMP; JPEG too, whose blurred levels are one soft mask. Pictures have no place in the patient."""

    name = "Picture"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return RasterReader().accepts(path)

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """One slice."""
        grey = label_picture(path)
        grid = Geometry.from_spacing((1, grey.shape[0], grey.shape[1]))
        return regions_of_values(grey[None], grid, lossy=path.suffix.lower() in _LOSSY)
