"""Organs of the chest as path lengths along parallel X-rays, in centimetres of tissue.

Image coordinates: ``x`` mm to the patient's left, ``y`` mm downwards (to the feet), origin at the
centre of the film. Every function returns float32 path lengths on the grid, never negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saliency_viewer.phantoms.fields import Field, below

_RIBS = 10


@dataclass(frozen=True)
class Build:
    """What differs from patient to patient; mm unless said otherwise."""

    half_width: float  # of the rib cage, inner, at its widest
    apex: float  # y of the lung tops
    dome_right: float  # y of the diaphragm's top on either side
    dome_left: float
    depth: float  # front to back of the trunk, cm
    heart_width: float
    heart_tilt: float  # radians
    rib_gap: float
    rib_drop: float  # how far a rib falls from the spine to the side
    clavicle: float  # y of the clavicles
    fat: float  # chest wall beyond the ribs

    @classmethod
    def random(cls, rng: np.random.Generator) -> Build:
        """A plausible adult."""
        dome = rng.uniform(72, 96)
        return cls(
            half_width=rng.uniform(122, 138),
            apex=rng.uniform(-142, -128),
            dome_right=dome,
            dome_left=dome + rng.uniform(6, 16),
            depth=rng.uniform(19, 23),
            heart_width=rng.uniform(58, 70),
            heart_tilt=rng.uniform(0.45, 0.75),
            rib_gap=rng.uniform(23.5, 26.5),
            rib_drop=rng.uniform(34, 46),
            clavicle=rng.uniform(-118, -104),
            fat=rng.uniform(16, 30),
        )


def ellipsoid(
    x: Field, y: Field, centre: tuple[float, float], axes: tuple[float, float], depth: float, turn: float = 0
) -> Field:
    """Chord through an ellipsoid: 2c sqrt(1 - (u/a)^2 - (v/b)^2), with ``depth`` = 2c in cm."""
    dx, dy = x - centre[0], y - centre[1]
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / axes[0]
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / axes[1]
    return np.asarray(depth * np.sqrt(np.clip(1 - u**2 - v**2, 0, None)), dtype=np.float32)


def trunk(x: Field, y: Field, build: Build) -> Field:
    """The body: an elliptic cylinder with neck, sloping shoulders and the roots of the arms."""
    wall = build.half_width + build.fat
    shoulder = below(y + 138 - 0.10 * np.abs(x), 9)  # 1 above the shoulders' line
    half = wall * (1 - shoulder) + 62 * shoulder + 22 * np.exp(-(((y + 90) / 55) ** 2))
    inside = np.sqrt(np.clip(1 - (x / half) ** 2, 0, None))
    arms = np.zeros_like(inside)
    for side in (-1, 1):
        upper = ellipsoid(x, y, (side * (wall + 36), 30), (44, 190), 9, side * 0.14)
        arms = arms + np.maximum(upper, ellipsoid(x, y, (side * (wall + 10), -88), (54, 44), 10))
    return np.asarray(np.maximum(build.depth * (1 - 0.35 * shoulder) * inside, arms), dtype=np.float32)


def _side_wall(y: Field | float, build: Build) -> Field:
    """How far the lung reaches sideways at height ``y``."""
    down = np.clip((y - build.apex) / (build.dome_right + 36 - build.apex), 0, 1)
    return np.asarray(build.half_width * np.sqrt(1 - (1 - np.minimum(down / 0.78, 1)) ** 2.6), dtype=np.float32)


def lung(x: Field, y: Field, build: Build, side: int) -> Field:
    """Air path through one lung without the heart; ``side`` is 1 for the patient's left, -1 for the right."""
    top, bottom = build.apex, build.dome_left if side > 0 else build.dome_right
    down = np.clip((y - top) / (bottom + 30 - top), 0, 1)
    lateral = _side_wall(y, build)
    medial = 20 + 10 * np.clip(1 - down * 4, 0, 1) + 6 * down
    across = (side * x - medial) / np.maximum(lateral - medial, 1)
    bulge = np.clip(4 * across * (1 - across), 0, None) ** 0.40
    cap = np.sqrt(np.clip((y - top) / 70, 0, 1))
    # The diaphragm is a dome: lung ends at its top in the middle and reaches down to the sides in front of the ray.
    dome = bottom + 42 * np.abs((side * x - 62) / 72) ** 2.2
    above = below(y - dome, 1.3)
    recess = 0.16 * below(y - dome - 26, 8)
    return np.asarray(0.62 * build.depth * bulge * cap * np.maximum(above, recess), dtype=np.float32)


def heart(x: Field, y: Field, build: Build) -> Field:
    """Heart, great vessels and aortic arch that stand in the way of the lungs."""
    base = min(build.dome_left, build.dome_right)
    muscle = ellipsoid(x, y, (24, base - 34), (build.heart_width, 0.76 * build.heart_width), 10.5, build.heart_tilt)
    atrium = ellipsoid(x, y, (-16, base - 40), (33, 46), 7.5)
    arch = ellipsoid(x, y, (25, -66), (19, 21), 4.5)
    outflow = ellipsoid(x, y, (24, -24), (25, 32), 4.0, 0.2)
    vein = ellipsoid(x, y, (-19, -50), (15, 62), 3.0)
    return np.asarray(np.maximum.reduce([muscle, atrium, arch, outflow, vein]), dtype=np.float32)


def abdomen_gas(x: Field, y: Field, build: Build) -> Field:
    """The stomach's bubble below the left diaphragm."""
    return ellipsoid(x, y, (66, build.dome_left + 34), (27, 13), 2.2, -0.15)


def _tube(distance: Field, radius: float, cortex: float) -> Field:
    """Chord in cm through a hollow bone, with a quarter of its marrow counted as bone."""
    outer = np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    inner = np.sqrt(np.clip((radius - cortex) ** 2 - distance**2, 0, None))
    return np.asarray(0.2 * (outer - 0.75 * inner), dtype=np.float32)


def ribs(x: Field, y: Field, build: Build) -> Field:
    """Rib hoops: a tilted hoop projects to an ellipse, its upper arc behind, its lower arc in front."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    rows = y[:, 0]
    for number in range(_RIBS):
        start = build.apex + 6 + build.rib_gap * number
        tall = build.rib_drop * (0.62 + 0.05 * number)
        wide = float(_side_wall(start + tall, build)) + 1.0
        hit = np.flatnonzero((rows > start - 14) & (rows < start + 2 * tall + 14))
        if not hit.size:
            continue
        part = slice(int(hit[0]), int(hit[-1]) + 1)
        dy = y[part] - start - tall
        level = (x / wide) ** 2 + (dy / tall) ** 2
        slope = 2 * np.sqrt((x / wide**2) ** 2 + (dy / tall**2) ** 2)
        distance = np.abs(level - 1) / np.maximum(slope, 1e-4)
        # In front, bone becomes cartilage before it reaches the breastbone.
        front = 1 - below(dy, 5)
        bony = 1 - front * (1 - 0.85 * below(0.55 * wide - np.abs(x), 5))
        along = 1 + 0.9 * (np.abs(x) / wide) ** 8  # rays run lengthwise through the bone at the sides
        total[part] += 1.5 * _tube(distance, 5.2 + 0.12 * number, 1.6) * bony * along
    return total


def clavicles(x: Field, y: Field, build: Build) -> Field:
    """Two S-shaped bones from the breastbone to the shoulders."""
    reach = np.abs(x) - 14
    line = build.clavicle - 0.17 * reach + 7 * np.sin(reach / 24) - 6
    slope = np.abs(-0.17 + 7 / 24 * np.cos(reach / 24))
    distance = np.abs(y - line) / np.sqrt(1 + slope**2)
    ends = below(-reach, 2) * below(reach - 140, 4)
    return np.asarray(2.6 * _tube(distance, 6.2, 1.8) * ends, dtype=np.float32)


def spine(x: Field, y: Field) -> Field:
    """Vertebral bodies with discs between, pedicles and processes; cm of bone."""
    level = np.mod(y + 4, 23.0) - 11.5
    waist = 15.5 + 1.5 * (level / 9.5) ** 2
    body = 1.1 * below(np.abs(x) - waist, 0.9) * below(np.abs(level) - 9.3, 0.8)
    pedicle = 0.9 * np.exp(-(((np.abs(x) - 10.5) / 2.6) ** 2) - ((level + 3) / 3.6) ** 2)
    process = 0.9 * np.exp(-((x / 2.3) ** 2) - ((level - 6) / 6) ** 2)
    across = 0.35 * np.exp(-((level / 4.5) ** 2)) * below(np.abs(x) - 29, 2)
    return np.asarray(body + pedicle + process + across, dtype=np.float32)


def scapulae(x: Field, y: Field) -> Field:
    """Shoulder blades turned out of the lungs, with the heads of the humeri."""
    blade = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    for side in (-1, 1):
        u = side * x - 128 - 0.16 * (y + 70)
        v = (y + 62) / 74
        wide = np.clip(34 * (1 - v) / 2, 0, None)
        blade += 0.35 * below(np.abs(u - wide) - wide, 1.6) * below(np.abs(v) - 1, 0.04)
        blade += ellipsoid(x, y, (side * 172, -118), (24, 25), 2.6)
    return blade
