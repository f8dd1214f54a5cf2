"""A PA chest radiograph, computed as a detector would see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Volume, Window
from saliency_viewer.phantoms import chest_anatomy as anatomy
from saliency_viewer.phantoms.chest_lungs import lesion as make_lesion
from saliency_viewer.phantoms.chest_lungs import vessels
from saliency_viewer.phantoms.fields import Field, band_noise, below, blurred
from saliency_viewer.phantoms.phantom import Phantom, Wish, chosen_side, region_set
from saliency_viewer.runtime.seeds import generator
from saliency_viewer.spatial import Geometry

CHEST_PIXELS = 560
_FIELD = 400.0  # mm
_SOFT, _BONE = 0.185, 0.42  # attenuation at 120 kV, 1/cm
_SCATTER = 0.28  # share of the detector's signal behind a grid
_PHOTONS = 9000.0  # per mm^2 in the open beam
_TOP = 4095


def chest_phantom(
    seed: int, lesion: Wish = "random", pixels: int = CHEST_PIXELS, with_vessels: bool = True, density: float = 1.0
) -> Phantom:
    """A chest radiograph of a random patient.

    Parameters
    ----------
    seed:
        The same seed and wish give the same image; the wish changes nothing but the lesion.
    lesion:
        The lung, by the patient's side, that holds an opacity; None for none.
    pixels:
        Rows and columns; the field stays 400 mm wide. The detector's noise follows the size of a pixel.
    with_vessels:
        False leaves the lungs' vessels out, which take most of the time and are what lesions hide among.
    density:
        Of the opacity, times the usual one.

    Returns
    -------
    Phantom
        (1, pixels, pixels) uint16 in 0..4095, bone bright; columns grow to the patient's left, rows to the
        feet; regions "right lung", "left lung" and, with an opacity, "lesion".
    """
    side = chosen_side(lesion, generator(seed, "chest", "side"))
    pixel = _FIELD / pixels
    line = ((np.arange(pixels) - (pixels - 1) / 2) * pixel).astype(np.float32)
    x, y = line[np.newaxis, :], line[:, np.newaxis]
    build = anatomy.Build.random(generator(seed, "chest", "build"))
    masks, opacity, attenuation = _patient(seed, build, x, y, side, with_vessels)
    image = _film(attenuation + _SOFT * density * opacity, pixel, generator(seed, "chest", "noise"))
    geometry = _geometry(pixels, pixel)
    regions = region_set(geometry, {name: mask[np.newaxis] for name, mask in masks.items()})
    volume = Volume(
        image[np.newaxis],
        geometry,
        modality="DX",
        body_part="CHEST",
        view="PA",
        window=Window(2048.0, 4096.0),
        value_range=(0.0, float(_TOP)),
    )
    return Phantom(volume, regions, "normal" if side is None else "opacity", side, seed)


def _patient(
    seed: int, build: anatomy.Build, x: Field, y: Field, side: str | None, with_vessels: bool
) -> tuple[dict[str, NDArray[np.bool_]], Field, Field]:
    """Masks of the regions, cm of opacity, and the line integral of attenuation without it."""
    pixel = float(x[0, 1] - x[0, 0])
    heart = anatomy.heart(x, y, build)
    masks: dict[str, NDArray[np.bool_]] = {}
    air = np.zeros(heart.shape, dtype=np.float32)
    for name, sign in (("right", -1), ("left", 1)):
        field = anatomy.lung(x, y, build, sign)
        masks[f"{name} lung"] = (field > 0.3 * field.max()) & (heart < 1.0)
        random = generator(seed, "chest", "vessels", name)
        branches = vessels(x, y, sign, random) if with_vessels else np.zeros_like(heart)
        texture = 0.25 * band_noise(generator(seed, "chest", "texture", name), field.shape, (pixel, pixel), 7.0)
        inside = np.clip(field / 3, 0, 1)
        air += np.clip(field - np.minimum(heart, field) - (1.5 * branches + texture) * inside, 0, None)
    opacity = np.zeros(heart.shape, dtype=np.float32)
    if side is not None:
        room = masks[f"{side} lung"]
        opacity, masks["lesion"] = make_lesion(x, y, room, generator(seed, "chest", "lesion"))
    trunk = anatomy.trunk(x, y, build)
    trachea = 1.7 * below(np.abs(x - 2) - 8, 1.2) * below(y + 48, 6)
    soft = np.clip(trunk - 0.78 * air - trachea - anatomy.abdomen_gas(x, y, build), 0, None)
    bone = anatomy.ribs(x, y, build) + anatomy.clavicles(x, y, build) + anatomy.scapulae(x, y)
    bone = np.minimum(bone + anatomy.spine(x, y), 0.8 * trunk)
    return masks, opacity, np.asarray(_SOFT * soft + (_BONE - _SOFT) * bone, dtype=np.float32)


def _film(attenuation: Field, pixel: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Beer-Lambert's law, scatter, focal blur, quantum noise, logarithm, and a film's S-shaped curve."""
    spacing = (pixel, pixel)
    primary = np.exp(-attenuation)
    scatter = blurred(primary, 32.0, spacing)
    signal = (1 - _SCATTER) * primary + _SCATTER * np.clip(scatter, 0, None)
    signal = np.clip(blurred(signal, 0.45, spacing), 1e-4, None)
    counts = signal * _PHOTONS * pixel**2 * 6
    noisy = counts + np.sqrt(counts) * rng.standard_normal(counts.shape, dtype=np.float32)
    density = -np.log(np.clip(noisy / (_PHOTONS * pixel**2 * 6), 1e-5, None))
    low, high = 0.7, 4.0  # what lungs and mediastinum span, in natural-log units
    curve = 1 / (1 + np.exp(-5.2 * ((density - low) / (high - low) - 0.5)))
    return np.clip(np.round(_TOP * curve), 0, _TOP).astype(np.uint16)


def _geometry(pixels: int, pixel: float) -> Geometry:
    """A standing patient seen from the front of the film: columns to L, rows to F, slices to P."""
    affine = np.eye(4)
    affine[:3, 0] = (0.0, 1.0, 0.0)
    affine[:3, 1] = (0.0, 0.0, -pixel)
    affine[:3, 2] = (pixel, 0.0, 0.0)
    affine[:3, 3] = (-(pixels - 1) / 2 * pixel, 0.0, (pixels - 1) / 2 * pixel)
    return Geometry((1, pixels, pixels), affine, calibration="detector")
