"""What is done to a picture to see what its prediction hangs on. Arrays are (row, column), grey levels 0..255."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.views.marks import Mask
from benchmarks.views.pictures import Picture, frame

Grey = NDArray[np.floating]
_SMOOTH = 0.02  # of the side
_BLUR = 0.01  # of the side: more than a pixel of the network's input
_QUANTILES = np.linspace(0.0, 1.0, 257)


def filled(grey: Grey, mask: Mask) -> Grey:
    """``mask`` filled with what lies nearest to it, smoothed."""
    if not mask.any():
        return grey
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    smooth = ndimage.gaussian_filter(grey[tuple(nearest)], _SMOOTH * max(grey.shape))
    return np.where(mask, smooth, grey)


def with_greys_of(grey: Grey, others: Sequence[Grey]) -> Grey:
    """The same picture with the mean histogram of ``others``: what is brighter stays brighter, anatomy stays."""
    wanted = np.mean([np.quantile(other, _QUANTILES) for other in others], axis=0)
    values, counts = np.unique(grey, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / grey.size
    return np.interp(ranks, _QUANTILES, wanted)[np.searchsorted(values, grey)]


def coarse(grey: Grey) -> Grey:
    """Without fine detail: cables, edges of ribs, vessels, grain."""
    return ndimage.gaussian_filter(grey, _BLUR * max(grey.shape))


def detail(grey: Grey) -> float:
    """How strong the fine detail is: its standard deviation, over the span of the picture's greys."""
    low, high = np.percentile(grey, [0.5, 99.5])
    return float(np.std(grey - coarse(grey)) / (high - low))


class Changes:
    """Every change by name. The greys of a view are those of other patients' pictures of that view."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = pictures
        self.named: dict[str, Callable[[Picture], Grey]] = {
            "as it is": lambda one: one.grey,
            "marks filled": lambda one: filled(one.grey, one.marks),
            "as much elsewhere filled": lambda one: filled(one.grey, self._elsewhere(one)),
            "marks of the other view": self._with_other_marks,
            "border filled": lambda one: filled(one.grey, frame(one.grey.shape)),
            "lungs filled": lambda one: filled(one.grey, one.lungs),
            "only lungs left": lambda one: filled(one.grey, ~one.lungs),
            "fine detail gone": lambda one: coarse(one.grey),
            "detail of its own view": lambda one: self._with_detail(one, one.view),
            "detail of the other view": lambda one: self._with_detail(one, 1 - one.view),
            "greys of its own view": lambda one: with_greys_of(one.grey, self._others(one, one.view)),
            "greys of the other view": lambda one: with_greys_of(one.grey, self._others(one, 1 - one.view)),
        }

    def _with_detail(self, one: Picture, view: int) -> Grey:
        """Its own detail, made as strong as it is in other patients' pictures of a view on the average."""
        smooth = coarse(one.grey)
        wanted = float(np.mean([detail(other) for other in self._others(one, view)]))
        return smooth + (one.grey - smooth) * wanted / detail(one.grey)

    def _others(self, one: Picture, view: int) -> list[Grey]:
        return [
            other.grey
            for other in self._pictures
            if other.from_hospital and other.view == view and other.patient != one.patient
        ]

    def _with_other_marks(self, one: Picture) -> Grey:
        """Its own marks filled, and those of a picture of the other view written in."""
        donors = [
            other
            for other in self._pictures
            if other.from_hospital and other.view != one.view and other.patient != one.patient and other.marks.any()
            and other.grey.shape == one.grey.shape
        ]  # fmt: skip
        donor = donors[sum(one.file.encode()) % len(donors)]
        return np.where(donor.marks, donor.grey, filled(one.grey, one.marks))

    @staticmethod
    def _elsewhere(one: Picture) -> Mask:
        """The marks' mirror image, left to right."""
        return one.marks[:, ::-1] & ~one.marks
