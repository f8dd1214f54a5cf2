"""What the model said."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Prediction:
    """Class scores of one volume.

    ``logits`` and ``probabilities`` are (classes,) float64, always one entry per class (a one-output
    network's first class has the negated logit). For a slice-wise network on a volume,
    ``slice_logits`` is (slices, classes), ``aggregate`` names how they became one, and ``slice_index``
    is the slice that decided (None for ``mean``).
    """

    classes: tuple[str, ...]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    predicted: int
    aggregate: str = ""
    slice_index: int | None = None
    slice_logits: NDArray[np.float64] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name of the predicted class."""
        return self.classes[self.predicted]

    @property
    def probability(self) -> float:
        """Probability of the predicted class."""
        return float(self.probabilities[self.predicted])

    @property
    def by_threshold(self) -> bool:
        """Whether the card's threshold decided for a class that is not the likeliest one."""
        return bool(self.probabilities.max() > self.probabilities[self.predicted])
