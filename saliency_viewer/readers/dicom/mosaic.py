"""Siemens mosaics: one picture that holds all slices of a volume as tiles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.calibration import pixel_spacing, slice_distance
from saliency_viewer.readers.dicom.header import numbers, private, text, whole

_MOST_TILES = 1024


@dataclass(frozen=True)
class Mosaic:
    """``count`` tiles of (``rows``, ``columns``), ``across`` in each row, the first at the top left.

    ``places`` are the tiles' positions, LPS mm, None where the file does not say where it lies.
    """

    count: int
    across: int
    rows: int
    columns: int
    places: tuple[tuple[float, ...], ...] | None

    def tiles(self, pictures: NDArray[np.generic]) -> NDArray[np.generic]:
        """(1, row, column) of the whole picture to (tile, row, column)."""
        down = pictures.shape[1] // self.rows
        cut = pictures[0].reshape(down, self.rows, self.across, self.columns).swapaxes(1, 2)
        return np.ascontiguousarray(cut.reshape(-1, self.rows, self.columns)[: self.count])


def mosaic_of(dataset: Any) -> Mosaic | None:
    """The mosaic that a file is, None for a plain picture.

    Tiles and slice normal are those of the CSA header (the only place where Siemens writes them). The file's position
    is that of a picture as large as the mosaic around the same centre, so it is moved by half the difference.
    """
    if "MOSAIC" not in text(dataset, "ImageType").upper().split("\\") or not _is_one_grey_picture(dataset):
        return None
    csa = _csa(dataset)
    count = int(_first(csa, "NumberOfImagesInMosaic") or _count(dataset))
    rows, columns = whole(dataset, "Rows", 0), whole(dataset, "Columns", 0)
    if not 1 <= count <= _MOST_TILES:
        return None
    across = ceil(sqrt(count))
    if rows % across or columns % across or rows < across or columns < across:
        return None
    tile = rows // across, columns // across
    return Mosaic(count, across, *tile, _places(dataset, csa, count, (rows, columns), tile))


def _is_one_grey_picture(dataset: Any) -> bool:
    """Whether tiles can be cut at all; pictures in colour and series of pictures that claim to be mosaics exist."""
    grey = text(dataset, "PhotometricInterpretation").startswith("MONOCHROME")
    return grey and whole(dataset, "SamplesPerPixel", 1) <= 1 and whole(dataset, "NumberOfFrames", 1) <= 1


def _places(
    dataset: Any, csa: dict[str, Any], count: int, whole_size: tuple[int, int], tile: tuple[int, int]
) -> tuple[tuple[float, ...], ...] | None:
    position, sides = numbers(dataset, "ImagePositionPatient"), numbers(dataset, "ImageOrientationPatient")
    if len(position) != 3 or len(sides) != 6:
        return None
    right, down = np.array(sides[:3]), np.array(sides[3:])
    spacing, _ = pixel_spacing(dataset)
    first = np.array(position) + right * spacing[1] * (whole_size[1] - tile[1]) / 2
    first = first + down * spacing[0] * (whole_size[0] - tile[0]) / 2
    normal = np.cross(right, down)
    said = _all(csa, "SliceNormalVector")
    # The order of tiles runs along Siemens' own normal, which may be the opposite of the picture's.
    if len(said) == 3 and float(np.dot(normal, said)) < 0:
        normal = -normal
    step = slice_distance(dataset)
    return tuple(tuple(float(x) for x in first + normal * step * k) for k in range(count))


def _count(dataset: Any) -> float:
    raw = private(dataset, "SiemensMosaicCount")
    if isinstance(raw, bytes):
        return float(int.from_bytes(raw[:2], "little"))
    return float(raw) if isinstance(raw, int | float) else 0.0


def _csa(dataset: Any) -> dict[str, Any]:
    raw = private(dataset, "SiemensImageHeader")
    if not isinstance(raw, bytes):
        return {}
    from nibabel.nicom import csareader

    try:
        found: dict[str, Any] = csareader.read(raw)["tags"]  # type: ignore[no-untyped-call]
    except Exception:  # a damaged private block: the file is then a plain picture
        return {}
    return found


def _all(csa: dict[str, Any], name: str) -> list[float]:
    try:
        return [float(item) for item in csa.get(name, {}).get("items", [])]
    except (TypeError, ValueError):
        return []


def _first(csa: dict[str, Any], name: str) -> float | None:
    found = _all(csa, name)
    return found[0] if found else None
