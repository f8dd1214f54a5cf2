"""NRRD and MetaImage, ITK's own formats. Their coordinates are LPS or said to be otherwise.

The headers are text and read here, not by ITK: what is missing in them must stay unknown, what they promise must be
weighed against the file before memory is taken, and which other files they name is not theirs to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saliency_viewer.domain import Study
from saliency_viewer.errors import UserError
from saliency_viewer.readers.metaimage import read_metaimage
from saliency_viewer.readers.nrrd import read_nrrd
from saliency_viewer.readers.single import stored_study
from saliency_viewer.readers.voxels import Stored, measured
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

_NRRD = (".nrrd", ".nhdr")
_META = (".mha", ".mhd")


class ItkReader:
    """Arrays are ours already; only the order of axes differs."""

    name = "NRRD / MetaImage"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.name.lower().endswith((*_NRRD, *_META)) and path.is_file()

    def open(self, path: Path, context: RunContext) -> Study:
        """A series for every volume or component."""
        image = itk_header(path)
        kind = path.suffix.lstrip(".").upper()
        return stored_study(
            path,
            image.stored,
            image.geometry,
            description=kind,
            encoding=f"{kind} {image.stored.dtype.name}",
            warnings=image.warnings,
        )


@dataclass(frozen=True)
class ItkImage:
    """What the header says; voxels are unread."""

    stored: Stored
    geometry: Geometry
    warnings: tuple[str, ...]


def itk_header(path: Path) -> ItkImage:
    """The opened image. Raises :class:`UserError` when it is no volume or cannot be read."""
    read = read_nrrd if path.suffix.lower() in _NRRD else read_metaimage
    try:
        stored, grid = read(path)
    except (ValueError, IndexError, KeyError, OverflowError, OSError) as error:  # numbers that are none
        raise UserError(
            "The file's header is damaged.", "Copy it again from its source.", type(error).__name__
        ) from error
    stored, warnings = measured(stored)
    geometry, words = grid.geometry(stored.shape)
    return ItkImage(stored, geometry, (*warnings, *words))
