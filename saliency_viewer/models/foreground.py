"""Which values of an image count: all, the nonzero ones, or the foreground, however it is told from the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.models.checked_table import CheckedTable

Values = NDArray[np.float32]

_BINS = 256
_WORDS = ("all", "nonzero", "foreground", "above_mean")


def check_selection(table: CheckedTable) -> Mapping[str, Any]:
    """The keys ``of`` and ``above``; a written ``above`` is a choice of its own. Raises :class:`UserError`."""
    if not table.has("above"):
        return {"of": table.choice("of", _WORDS, "all")}
    if table.has("of"):
        table.refuse("of", "either of or above, not both")
    return {"of": "above", "above": table.number("above")}


def threshold(values: Values, keys: Mapping[str, Any]) -> float | None:
    """The value above which foreground begins; None where the choice needs none ("all", "nonzero").

    "foreground" is Otsu's threshold over 256 bins (Otsu 1979).
    """
    if keys["of"] == "above":
        return float(keys["above"])
    if keys["of"] == "above_mean":
        return float(values.mean(dtype=np.float64))
    if keys["of"] == "foreground":
        from skimage.filters import threshold_otsu

        # The middle of the last bin of the background; what lies in its upper half is background as well.
        half_a_bin = (float(values.max()) - float(values.min())) / (2 * _BINS)
        return float(threshold_otsu(values, _BINS)) + half_a_bin  # type: ignore[no-untyped-call]
    return None


def is_chosen(values: Values, of: str, limit: float | None) -> NDArray[np.bool_]:
    """Where ``values`` count, given the fitted :func:`threshold`."""
    if limit is not None:
        return np.asarray(values > np.float32(limit))
    return np.asarray(values != 0) if of == "nonzero" else np.ones(values.shape, dtype=bool)


def selected(values: Values, keys: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which of ``values`` count."""
    return is_chosen(values, keys["of"], threshold(values, keys))


def bounding_box(mask: NDArray[np.bool_], axes: int, margin: int) -> tuple[tuple[int, int], ...]:
    """(first, one after the last) of the True cells along the last ``axes`` axes; the whole when there is none.

    ``margin`` cells are added on each side, as far as the image goes.
    """
    box = []
    for axis in range(mask.ndim - axes, mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
        count = mask.shape[axis]
        box.append((max(0, int(hit[0]) - margin), min(count, int(hit[-1]) + 1 + margin)) if hit.size else (0, count))
    return tuple(box)
