"""The radiographs: small copies to work with, their lungs, marks and border, and who is to be credited."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import saliency_viewer as sv
from benchmarks.views.marks import Mask, mark_mask
from saliency_viewer.domain import REGION_COLOURS, Region, RegionSet, Volume

VIEWS = ("PA", "AP supine")
BORDER = 0.06  # of the side: the frame in which collimators, cables and words lie
SIDE, _FINE = 500, 1000  # pixels of a working copy, and of the one in which marks are looked for
_HOSPITAL = "github.com/ml-workgroup"
CREDIT = (
    "Radiographs: COVID-19 Image Repository, Institute for Diagnostic and Interventional Radiology, Hannover Medical "
    "School,\ndoi:10.6084/m9.figshare.12275009, CC BY 3.0 (made smaller; outlines and maps added)"
)


@dataclass(frozen=True, eq=False)
class Picture:
    """One radiograph, (row, column), as float32 grey levels 0..255; ``view`` is a place in ``VIEWS``."""

    file: str
    patient: str
    view: int
    from_hospital: bool  # else out of a published figure
    grey: NDArray[np.float32]
    lungs: Mask
    marks: Mask
    volume: Volume

    @property
    def border(self) -> Mask:
        """The frame, without lungs and marks."""
        return frame(self.grey.shape) & ~self.lungs & ~self.marks

    @property
    def regions(self) -> RegionSet:
        """Lungs, marks (where there are any) and border; what is left is the body beside the lungs."""
        named = {"lungs": self.lungs, "marks": self.marks, "border": self.border}
        found = [
            Region.from_mask(name, colour, mask[None])
            for colour, (name, mask) in zip(REGION_COLOURS, named.items(), strict=False)
            if mask.any()
        ]
        return RegionSet(self.volume.geometry, tuple(found))

    def changed(self, grey: NDArray[np.floating]) -> Volume:
        """The volume with other grey levels, rounded and clipped as a file would hold them."""
        array = np.clip(np.rint(grey), 0, 255).astype(self.volume.array.dtype)
        return replace(self.volume, array=array[None])


def frame(shape: tuple[int, ...]) -> Mask:
    """The outermost ``BORDER`` of a picture."""
    made = np.ones(shape, dtype=bool)
    rows, columns = (round(BORDER * n) for n in shape)
    made[rows:-rows, columns:-columns] = False
    return made


def read_pictures(data: Path, work: Path) -> list[Picture]:
    """Every image of ``data`` (labels.csv, images, masks), in a fixed order; small copies go to ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    with (data / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row["file"])
    return [_read(data, work, row) for row in rows]


def small_copy(work: Path, file: str) -> Path:
    """Where the working copy lies."""
    return work / f"{Path(file).stem}.png"


def _read(data: Path, work: Path, row: dict[str, str]) -> Picture:
    image = Image.open(data / "images" / row["file"]).convert("L")
    lungs = Image.open(data / "masks" / f"{Path(row['file']).stem}.png").convert("L")
    image.thumbnail((_FINE, _FINE), Image.Resampling.BOX)
    fine, inside = np.asarray(image, dtype=np.float32), np.asarray(lungs.resize(image.size)) > 127
    marks = mark_mask(row["file"], fine, ndimage.binary_dilation(inside, iterations=5))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    path = small_copy(work, row["file"])
    image.save(path)
    lungs_small = np.asarray(lungs.resize(image.size, Image.Resampling.BOX)) > 127
    marks_small = np.asarray(Image.fromarray(marks).resize(image.size, Image.Resampling.NEAREST)) & ~lungs_small
    return Picture(
        file=row["file"],
        patient=row["patient"],
        view=VIEWS.index("PA" if row["view"] == "PA" else "AP supine"),
        from_hospital=_HOSPITAL in row["url"],
        grey=np.asarray(image, dtype=np.float32),
        lungs=lungs_small,
        marks=marks_small,
        volume=sv.open_study(path).series[0].load(),
    )
