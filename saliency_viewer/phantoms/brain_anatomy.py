"""Organs of the head as signed distances in mm (negative inside), in patient millimetres.

Coordinates: ``x`` to the patient's left, ``y`` to posterior, ``z`` to superior, origin in the middle of
the brain. They arrive as open grids, so that cheap functions stay cheap. Every distance is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.phantoms.fields import Field

Box = tuple[slice, slice, slice]
Stations = Sequence[tuple[float, float, float, float]]  # x (of the left side), y, z, radius

# Pes, body and tail along the floor of the temporal horn, from front to back.
HIPPOCAMPUS: Stations = (
    (24, -15, -19, 4.6), (25, -10, -20, 6.2), (27, -3, -19, 5.6), (28, 5, -16, 5.0),
    (28, 12, -12, 4.6), (26, 18, -7, 4.0), (22, 22, -2, 3.2),
)  # fmt: skip
TEMPORAL_HORN: Stations = (
    (29, -16, -15, 2.6), (32, -6, -15, 2.4), (34, 4, -11, 2.4), (34, 14, -6, 3.0), (32, 25, 0, 5.5), (27, 28, 8, 7.0),
)  # fmt: skip
LATERAL_VENTRICLE: Stations = (
    (10, -32, 6, 4.0), (9, -22, 12, 5.6), (9, -8, 17, 5.2), (11, 8, 19, 5.0), (17, 20, 15, 5.6),
    (25, 28, 7, 6.5), (18, 44, 4, 3.2),
)  # fmt: skip
CAUDATE: Stations = ((14, -24, 7, 5.5), (15, -14, 13, 4.0), (17, 0, 17, 3.0), (20, 12, 17, 2.2))


@dataclass(frozen=True)
class Head:
    """What differs from patient to patient."""

    brain: tuple[float, float, float]  # half axes, mm
    shift: tuple[float, float, float]
    hippocampus: float  # scale of both, so that size alone does not tell
    asymmetry: float  # natural difference of the radii, a share
    ventricles: float  # scale of the radii
    horn: float
    folds: float  # depth of the sulci, mm

    @classmethod
    def random(cls, rng: np.random.Generator) -> Head:
        """A plausible adult; ventricles and horns of old and young."""
        scale = rng.normal(1, 0.03, 3).clip(0.93, 1.06)
        return cls(
            brain=(65 * scale[0], 81 * scale[1], 60 * scale[2]),
            shift=tuple(rng.uniform(-2, 2, 3)),
            hippocampus=rng.uniform(0.95, 1.08),
            asymmetry=rng.uniform(-0.03, 0.03),
            ventricles=rng.uniform(0.8, 1.3),
            horn=rng.uniform(0.75, 1.15),
            folds=rng.uniform(13, 19),
        )


def ellipsoid(x: Field, y: Field, z: Field, centre: Sequence[float], axes: Sequence[float]) -> Field:
    """Distance to an ellipsoid, exact to first order at its surface."""
    u, v, w = x - centre[0], y - centre[1], z - centre[2]
    a, b, c = (np.float32(axis) for axis in axes)
    radius = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
    slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + (w / c**2) ** 2)
    return np.asarray(radius * (radius - 1) / np.maximum(slope, 1e-4), dtype=np.float32)


def tube(x: Field, y: Field, z: Field, stations: Stations, side: int, scale: float = 1.0) -> Field:
    """Distance to a curved tube whose radius changes along it; +99 far away. ``side`` 1 is the patient's left."""
    found = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), 99, dtype=np.float32)
    points = np.array(stations, dtype=np.float32) * np.array([side, 1, 1, scale], dtype=np.float32)
    box = _box(x, y, z, points)
    bx, by, bz = x[:, :, box[2]], y[:, box[1]], z[box[0]]
    near = found[box]
    for start, end in pairwise(points):
        step = end[:3] - start[:3]
        along = (bx - start[0]) * step[0] + (by - start[1]) * step[1] + (bz - start[2]) * step[2]
        along = np.clip(along / float(step @ step), 0, 1)
        squared = sum((g - start[k] - along * step[k]) ** 2 for k, g in enumerate((bx, by, bz)))
        np.minimum(near, np.sqrt(squared) - (start[3] + along * (end[3] - start[3])), out=near)
    return found


def _box(x: Field, y: Field, z: Field, points: NDArray[np.float32]) -> Box:
    margin = float(points[:, 3].max()) + 8
    cuts = []
    for line, values in ((z.ravel(), points[:, 2]), (y.ravel(), points[:, 1]), (x.ravel(), points[:, 0])):
        first, last = np.searchsorted(line, [values.min() - margin, values.max() + margin])
        cuts.append(slice(int(first), int(last)))
    return cuts[0], cuts[1], cuts[2]


def cerebrum(x: Field, y: Field, z: Field, head: Head) -> Field:
    """Both hemispheres with the temporal lobes, without cerebellum and brain stem."""
    a, b, c = head.brain
    dome = ellipsoid(x, y, z, (0, 0, 8), (a, b, c + 4))
    floor = -24 - z - 12 * np.clip((y - 5) / 50, 0, 1) * -0.8  # the back of the brain lies on the tentorium
    frontal = -14 - z - 0.15 * (np.abs(x) - 20)
    base = frontal + np.clip((y + 40) / 20, 0, 1) * (floor - frontal)
    upper = np.maximum(dome, base)
    found = upper
    for side in (-1, 1):
        lobe = ellipsoid(x, y, z, (side * 38, -4, -22), (23, 41, 19))
        found = np.minimum(found, lobe)
    return np.asarray(found, dtype=np.float32)


def sylvian(x: Field, y: Field, z: Field) -> Field:
    """The cleft between frontal and temporal lobes, from the surface to the insula."""
    sheet = np.abs(z + 8 - 0.22 * (y + 20)) - 1.4
    deep = 37 + 0.004 * (y + 5) ** 2 - np.abs(x)
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(sheet, deep, np.abs(y + 8) - 32)), dtype=np.float32)


def fissure(x: Field, y: Field, z: Field) -> Field:
    """The cleft between the hemispheres above the corpus callosum."""
    callosum = 25 - 0.010 * (y - 2) ** 2
    return np.asarray(np.maximum(np.abs(x) - 1.3, callosum - z), dtype=np.float32)


def deep_grey(x: Field, y: Field, z: Field, side: int) -> Field:
    """Caudate, lentiform nucleus, thalamus and amygdala of one side."""
    parts = [
        tube(x, y, z, CAUDATE, side),
        ellipsoid(x, y, z, (side * 25, -6, 3), (6.5, 16, 9)),
        ellipsoid(x, y, z, (side * 10, 8, 5), (8, 14, 8.5)),
        ellipsoid(x, y, z, (side * 22, -22, -17), (8, 6.5, 6.5)),
    ]
    return np.asarray(np.minimum.reduce(parts), dtype=np.float32)


def hind_brain(x: Field, y: Field, z: Field) -> tuple[Field, Field]:
    """Distances to cerebellum and brain stem."""
    halves = [ellipsoid(x, y, z, (side * 17, 43, -27), (29, 29, 21)) for side in (-1, 1)]
    stem = tube(x, y, z, ((0, 8, -6, 11), (0, 8, -22, 13), (0, 14, -40, 10), (0, 20, -70, 7)), 1)
    return np.minimum(*halves), stem


def displaced(stations: Stations, shrink: float) -> Stations:
    """A shrunken tube on the floor of its old room: fluid gathers above it and to its side."""
    fall = 0.75 * (1 - shrink)
    return tuple((x - 0.5 * fall * r, y, z - fall * r, r * shrink) for x, y, z, r in stations)
