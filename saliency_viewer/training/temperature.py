"""One number that all logits are divided by, so that probabilities mean what they say (Guo et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saliency_viewer.training.metrics import Labels, Numbers, log_loss
from saliency_viewer.training.predictions import softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_FARTHEST = np.log(20.0)  # on separable validation cases the best temperature is 0; nobody is that certain


def fitted_temperature(logits: Numbers, labels: Labels) -> float:
    """The temperature with the smallest log loss over the cases, within 1/20 to 20."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda power: log_loss(softmax(logits / np.exp(power)), labels),
        bounds=(-_FARTHEST, _FARTHEST),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def folded(state: Mapping[str, Tensor], head: str, temperature: float) -> dict[str, Tensor]:
    """``state`` with the last linear layer divided by ``temperature``: its logits then come out divided."""
    own = (f"{head}.weight", f"{head}.bias")
    return {key: value / temperature if key in own else value for key, value in state.items()}
