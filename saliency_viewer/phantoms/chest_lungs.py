"""What lies in the lungs: branching vessels, and the lesion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.phantoms.fields import Field, band_noise, blurred

_SMALLEST = 0.45  # mm: branches thinner than this are not drawn
Segment = tuple[float, float, float, float, float]  # x, y, angle, length, radius


def _branch(segment: Segment, rng: np.random.Generator) -> list[Segment]:
    """The two daughters at a segment's end (Murray's law for the radii, with some scatter)."""
    x, y, angle, length, radius = segment
    end = (x + length * np.cos(angle), y + length * np.sin(angle))
    share = rng.uniform(0.35, 0.65)
    spread = rng.uniform(0.35, 0.75)
    radii = (radius * share ** (1 / 3), radius * (1 - share) ** (1 / 3))
    turns = (angle + spread * (1 - share), angle - spread * share)
    scale = rng.uniform(0.72, 0.95, size=2)
    return [(*end, turn, length * s, r) for turn, s, r in zip(turns, scale, radii, strict=True)]


def _draw(total: Field, x: Field, y: Field, segment: Segment) -> None:
    start_x, start_y, angle, length, radius = segment
    pixel = float(x[0, 1] - x[0, 0])
    reach = max(radius, pixel)
    ends_x = sorted((start_x, start_x + length * np.cos(angle)))
    ends_y = sorted((start_y, start_y + length * np.sin(angle)))
    columns = slice(*np.searchsorted(x[0], [ends_x[0] - reach, ends_x[1] + reach]))
    rows = slice(*np.searchsorted(y[:, 0], [ends_y[0] - reach, ends_y[1] + reach]))
    dx, dy = x[:, columns] - start_x, y[rows] - start_y
    along = np.clip(dx * np.cos(angle) + dy * np.sin(angle), 0, length)
    squared = (dx - along * np.cos(angle)) ** 2 + (dy - along * np.sin(angle)) ** 2
    # A vessel thinner than a pixel keeps its cross section.
    chord = 0.2 * np.sqrt(np.clip(reach**2 - squared, 0, None)) * (radius / reach) ** 2
    view = total[rows, columns]
    np.maximum(view, chord, out=view)


def vessels(x: Field, y: Field, side: int, rng: np.random.Generator) -> Field:
    """Path lengths (cm) through one lung's arteries and veins, which fan out from the hilum."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    waiting: list[Segment] = []
    for angle in np.linspace(-1.25, 1.35, 7) + rng.normal(0, 0.1, 7):
        turn = angle if side > 0 else np.pi - angle
        waiting.append((side * 33.0, -18 + 9 * float(np.sin(angle)), turn, rng.uniform(20, 30), rng.uniform(2.9, 4.4)))
    while waiting:
        segment = waiting.pop()
        _draw(total, x, y, segment)
        if segment[4] * 0.8 > _SMALLEST and segment[3] > 5:
            waiting += _branch(segment, rng)
    return total


def lesion(x: Field, y: Field, room: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Field, NDArray[np.bool_]]:
    """An irregular soft opacity inside ``room`` (row, column): path length in cm, and the mask of what it covers.

    The centre is drawn where the whole core fits; what would stand over the edge of the room is cut.
    """
    size = float(rng.uniform(11, 22))
    pixel = float(x[0, 1] - x[0, 0])
    spacing = (pixel, pixel)
    deep = blurred(room.astype(np.float32), 0.55 * size, spacing) > 0.9
    places = np.argwhere(deep if deep.any() else room)
    row, column = places[int(rng.integers(len(places)))]
    centre_x, centre_y = float(x[0, column]), float(y[row, 0])
    ragged = size * (1 + 0.22 * band_noise(rng, room.shape, spacing, 1.6 * size))
    squared = np.zeros(room.shape, dtype=np.float32) + np.inf
    for _ in range(int(rng.integers(2, 5))):
        shift = rng.normal(0, 0.38 * size, 2)
        stretch = rng.uniform(0.75, 1.3)
        blob = ((x - centre_x - shift[0]) / stretch) ** 2 + ((y - centre_y - shift[1]) * stretch) ** 2
        squared = np.minimum(squared, blob)
    body = np.clip(1 - squared / np.maximum(ragged, 4.0) ** 2, 0, None)
    grain = 1 + 0.18 * band_noise(rng, room.shape, spacing, 9.0)
    path = blurred(rng.uniform(2.1, 3.4) * np.sqrt(body) * np.clip(grain, 0.3, None), 1.6, spacing)
    path = (np.clip(path, 0, None) * room).astype(np.float32)
    return path, np.asarray(path > 0.25 * path.max())
