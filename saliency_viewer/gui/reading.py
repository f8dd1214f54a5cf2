"""What the file pool does for the window: everything here may take long and knows nothing of Qt."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import saliency_viewer
from saliency_viewer.domain import Grid, RegionSet, Series, Study, Volume
from saliency_viewer.models import BUNDLE_NAME, CARD_NAME, is_package
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.files import write_text
from saliency_viewer.runtime.folders import state_folder
from saliency_viewer.session import SUFFIX
from saliency_viewer.spatial import Geometry

_THUMBNAIL = 52  # pixels

# The readers are imported where they are called, in the pool: importing pydicom takes half a second.


@dataclass(frozen=True, eq=False)
class Loaded:
    """A decoded image with what the list shows of it."""

    volume: Volume
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class Named:
    """The digest of an image's pixels, and the name that follows from it."""

    digest: str
    name: str


def warm_up() -> None:
    """Import the readers and start a decoder before anybody asks for them."""
    importlib.import_module("saliency_viewer.readers").warm_up()


def read_study(path: str, context: RunContext | None = None, found: Callable[[Series], None] | None = None) -> Study:
    """The study at ``path``; ``found`` gets a first image before all is known. Raises :class:`UserError`."""
    from saliency_viewer.readers import open_study

    return open_study(Path(path), context, found)


def read_regions(path: str, geometry: Geometry) -> RegionSet:
    """A label map laid on ``geometry``. Raises :class:`UserError`."""
    from saliency_viewer.readers import load_regions

    return load_regions(Path(path), geometry)


def kind_of(path: str) -> str:
    """``session``, ``model`` (a folder, model.toml, MONAI bundle or zip) or ``study``, by name and content."""
    place = Path(path)
    if path.endswith(SUFFIX):
        return "session"
    card_within = any((place / name).exists() for name in (CARD_NAME, BUNDLE_NAME))
    if place.suffix.lower() == ".zip" or place.name == CARD_NAME or card_within:
        return "model" if is_package(place) else "study"
    return "study"


def load_series(series: Series, context: RunContext | None = None, grid: Grid | None = None) -> Loaded:
    """Decode one series on one of its grids. Raises :class:`UserError`."""
    volume = series.load(context, grid)
    _ = volume.auto_window  # its percentiles take too long for the window's thread
    return Loaded(volume, thumbnail(volume))


def named(volume: Volume) -> Named:
    """Digest and name of an image; of a large one this takes seconds."""
    from saliency_viewer.exporters import case_identifier
    from saliency_viewer.pipeline import image_hash

    digest = image_hash(volume)
    return Named(digest, case_identifier(digest).replace("case-", "Case ", 1))


def thumbnail(volume: Volume) -> NDArray[np.uint8]:
    """The middle slice, small and square: (row, column) grey or (row, column, 3) RGB uint8."""
    from saliency_viewer.render import slice_pixels

    middle, step = volume.array.shape[0] // 2, max(1, min(volume.array.shape[1:]) // (2 * _THUMBNAIL))
    pixels = slice_pixels(volume, lambda array: array[middle, ::step, ::step], volume.default_window())
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def make_demo(kind: str) -> Path:
    """Write the demo's files into the user's state folder, once for each version; returns the folder of ``kind``."""
    from saliency_viewer.pipeline import write_demo

    folder = state_folder() / f"demo-{saliency_viewer.__version__}"
    marker = folder / "complete"
    if not marker.exists():
        write_demo(folder)
        write_text(marker, "")
    return folder / kind


def is_ours(path: str | Path) -> bool:
    """Whether a path is a demo or an autosave, which are no files of the user's."""
    return Path(path).absolute().is_relative_to(state_folder())
