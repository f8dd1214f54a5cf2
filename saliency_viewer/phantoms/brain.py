"""A T1-weighted head with two hippocampi, one of which may be shrunken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Volume, Window
from saliency_viewer.phantoms import brain_anatomy as anatomy
from saliency_viewer.phantoms.fields import Field, band_noise, blurred
from saliency_viewer.phantoms.phantom import Phantom, Wish, chosen_side, region_set
from saliency_viewer.runtime.seeds import generator
from saliency_viewer.spatial import Geometry

_SHAPE = (70, 98, 80)
_SPACING = (2.0, 2.0, 2.0)
_AIR, _BONE, _CSF, _MUSCLE, _GREY, _WHITE, _FAT = 0.02, 0.07, 0.17, 0.42, 0.52, 0.80, 1.05
_SCALE = 900.0  # stored value of an intensity of one
_TOP = 4095


def brain_phantom(seed: int, atrophy: Wish = "random") -> Phantom:
    """A T1-weighted volume of a random head.

    Parameters
    ----------
    seed:
        The same seed and wish give the same volume; the wish changes nothing but the one hippocampus.
    atrophy:
        The patient's side whose hippocampus is shrunken, with CSF in its place; None for none.

    Returns
    -------
    Phantom
        (70, 98, 80) uint16, 2 mm; slices grow to superior, rows to posterior, columns to the patient's left.
        Regions "right hippocampus", "left hippocampus" and "brain"; labels "HC" and "TLE".
    """
    side = chosen_side(atrophy, generator(seed, "brain", "side"))
    rng = generator(seed, "brain", "build")
    head = anatomy.Head.random(rng)
    shrink = float(rng.uniform(0.58, 0.70))
    geometry = _geometry()
    tissue, masks = _tissue(seed, head, geometry, side, shrink)
    image = _scan(tissue, generator(seed, "brain", "scan"))
    regions = region_set(geometry, masks)
    volume = Volume(
        image, geometry, modality="MR", body_part="BRAIN", window=Window(480.0, 960.0), value_range=(0.0, float(_TOP))
    )
    return Phantom(volume, regions, "HC" if side is None else "TLE", side, seed)


def _grid(geometry: Geometry, head: anatomy.Head) -> tuple[Field, Field, Field]:
    lines = []
    for axis, patient in ((2, 0), (1, 1), (0, 2)):
        line = geometry.affine[patient, 3] + geometry.affine[patient, axis] * np.arange(geometry.shape[axis])
        shape = [-1 if k == axis else 1 for k in range(3)]
        lines.append((line - head.shift[patient]).astype(np.float32).reshape(shape))
    return lines[0], lines[1], lines[2]


def _fill(tissue: Field, distance: Field, value: float | Field) -> None:
    """Paint with a partial-volume edge one voxel wide."""
    share = np.clip(0.5 - distance / np.float32(_SPACING[0]), 0, 1)
    tissue += share * (np.asarray(value, dtype=np.float32) - tissue)


def _tissue(
    seed: int, head: anatomy.Head, geometry: Geometry, side: str | None, shrink: float
) -> tuple[Field, dict[str, NDArray[np.bool_]]]:
    """Intensities without noise, and the masks."""
    x, y, z = _grid(geometry, head)
    brain = anatomy.cerebrum(x, y, z, head)
    cerebellum, stem = anatomy.hind_brain(x, y, z)
    whole_brain = np.minimum.reduce([brain, cerebellum, stem])
    tissue = _envelope(seed, head, (x, y, z), whole_brain)
    _cortex(tissue, seed, head, (x, y, z), brain)
    folia = band_noise(generator(seed, "brain", "folia"), geometry.shape, (2.0, 4.0, 4.0), 6.5)
    _fill(tissue, cerebellum, _GREY)
    _fill(tissue, cerebellum + 5 + 3 * np.abs(folia), _WHITE)
    _fill(tissue, stem, 0.94 * _WHITE)
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, sign in (("right", -1), ("left", 1)):
        _fill(tissue, anatomy.deep_grey(x, y, z, sign), 0.60)
        _fill(tissue, anatomy.tube(x, y, z, anatomy.LATERAL_VENTRICLE, sign, head.ventricles), _CSF)
        _fill(tissue, anatomy.tube(x, y, z, anatomy.TEMPORAL_HORN, sign, head.horn), _CSF)
        scale = head.hippocampus * (1 + sign * head.asymmetry)
        whole = anatomy.tube(x, y, z, anatomy.HIPPOCAMPUS, sign, scale)
        _fill(tissue, whole - 1.2, _WHITE)
        _fill(tissue, whole, _CSF)  # the room it grew in: what atrophy leaves behind is fluid
        small = anatomy.displaced(anatomy.HIPPOCAMPUS, shrink)
        body = whole if name != side else anatomy.tube(x, y, z, small, sign, scale)
        _fill(tissue, body, _GREY + 0.02)
        masks[f"{name} hippocampus"] = body < 0
    _fill(tissue, np.maximum(np.abs(x) - 1.8, anatomy.ellipsoid(x, y, z, (0, 4, 2), (9, 15, 11))), _CSF)
    _fill(tissue, anatomy.ellipsoid(x, y, z, (0, 27, -34), (6, 5, 8)), _CSF)
    masks["brain"] = whole_brain < 0
    return tissue, masks


def _envelope(seed: int, head: anatomy.Head, grid: tuple[Field, Field, Field], brain: Field) -> Field:
    """Air, skin and fat, muscle, skull with its marrow, and the CSF around the brain."""
    x, y, z = grid
    a, b, c = head.brain
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    tissue = np.full(shape, _AIR, dtype=np.float32)
    vault = anatomy.ellipsoid(x, y, z, (0, 0, 6), (a + 4, b + 4, c + 8))
    inner = brain - 2.5
    neck = np.maximum(np.sqrt((x / 62) ** 2 + ((y + 2) / 76) ** 2) * 62 - 62, z + 20)
    skin = np.minimum(vault - 12, neck)
    lumps = band_noise(generator(seed, "brain", "muscle"), shape, _SPACING, 18.0)
    _fill(tissue, skin, _MUSCLE)
    _fill(tissue, skin + 1.5, _FAT)
    _fill(tissue, np.maximum(skin + 5.5, -(inner - 7.5)), _MUSCLE + 0.13 * lumps)
    _fill(tissue, np.maximum(inner - 7.5, skin + 4), _BONE)
    _fill(tissue, np.abs(inner - 4) - 0.7, 0.42)
    _fill(tissue, inner, _CSF)
    for side in (-1, 1):
        _fill(tissue, anatomy.ellipsoid(x, y, z, (side * 32, -73, -28), (17, 17, 15)), _FAT)
        _fill(tissue, anatomy.ellipsoid(x, y, z, (side * 32, -76, -28), (12, 12, 12)), _CSF)
        _fill(tissue, anatomy.ellipsoid(x, y, z, (side * 9, -70, -40), (7, 20, 14)), _AIR)
    return tissue


def _cortex(tissue: Field, seed: int, head: anatomy.Head, grid: tuple[Field, Field, Field], brain: Field) -> None:
    """Folded cortex: sulci are the zero surfaces of band-limited noise near the brain's surface."""
    x, y, z = grid
    shape = brain.shape
    warp = band_noise(generator(seed, "brain", "folds"), shape, _SPACING, 18.0)
    clefts = np.minimum(anatomy.fissure(x, y, z), anatomy.sylvian(x, y, z))
    depth = np.minimum(-brain, np.maximum(clefts, 0) + 2.0)
    inward = np.clip(1 - depth / head.folds, 0, 1)
    sulcus = np.abs(warp) * 3.0 - 0.8 * inward + 9 * (1 - inward) ** 3
    outside = np.maximum.reduce([brain, -clefts, -sulcus])
    ribbon = np.maximum.reduce([brain + 3.2, 3.2 - clefts, 3.0 - sulcus])
    _fill(tissue, outside, _GREY)
    _fill(tissue, np.maximum(outside, ribbon), _WHITE)


def _scan(tissue: Field, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Point spread, coil shading, Rician noise."""
    image = np.clip(blurred(tissue, 0.8, _SPACING), 0, None)
    shading = blurred(rng.standard_normal(image.shape, dtype=np.float32), 45.0, _SPACING)
    shading -= shading.mean()
    image *= np.exp(0.07 * shading / max(float(shading.std()), 1e-9))
    level = float(rng.uniform(0.014, 0.024))
    real = image + level * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = level * rng.standard_normal(image.shape, dtype=np.float32)
    scale = _SCALE * float(rng.uniform(0.85, 1.15))
    stored = np.clip(np.round(scale * np.hypot(real, imaginary)), 0, _TOP)
    return np.asarray(stored, dtype=np.uint16)


def _geometry() -> Geometry:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *_SPACING, 1.0
    affine[:3, 3] = (-(_SHAPE[2] - 1) / 2 * _SPACING[2], -(_SHAPE[1] - 1) / 2 * _SPACING[1], -58.0)
    return Geometry(_SHAPE, affine)
