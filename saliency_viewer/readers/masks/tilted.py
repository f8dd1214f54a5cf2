"""Contours in planes that cut the image's at an angle: a grid along their own planes, and from there to the image.

Held against the image's slices, two parts of one structure that were drawn in one plane would lie at two heights, and
each slice would show only the nearer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region
from saliency_viewer.readers.masks.contours import Absurd, distinct_planes
from saliency_viewer.readers.masks.planes import usual_gap
from saliency_viewer.spatial import Geometry, resample_labels

_DRIFT = 0.05  # slices by which a plane may leave the image's slice on its way across the structure
_FLATTER = 0.5  # times as thick as along the image's slices: contours that fit the tilted planes no better only wobble
_ROUNDING = 0.01  # mm
_EVEN = 0.1  # of the distance of planes
_FINER = 4  # slices of the grid for each of planes at uneven distances
_SHARPER = 2  # pixels of the grid for each of the image's: resampling then moves no border by much
_MOST_VOXELS = 2**30

Contours = Sequence[NDArray[np.float64]]


def common_normal(contours: Contours) -> NDArray[np.float64]:
    """(3,) unit vector that is as perpendicular to all contours, (n, 3) each in LPS mm, as one can be."""
    scatter = np.zeros((3, 3))
    for one in contours:
        centred = one - one.mean(axis=0)
        scatter += centred.T @ centred
    return np.asarray(np.linalg.eigh(scatter)[1][:, 0])


def tilted_grid(contours: Contours, image: Geometry, common: NDArray[np.float64]) -> tuple[Geometry, float] | None:
    """The grid along the planes of one structure's contours, and their angle to the image's in degrees.

    ``common`` is the normal of all structures together, surer than that of a small one; a structure that does not
    fit it is measured by its own. None for contours along the slices, rows or columns of the image, and for those
    that lie in no common planes.
    """
    across = np.linalg.inv(image.affine)[:3, :3]
    steps = 1 / np.linalg.norm(across, axis=1)  # mm
    across = across * steps[:, None]
    own = common_normal(contours)
    normal = common if _thickness(contours, common) <= _thickness(contours, own) / _FLATTER + _ROUNDING else own
    axis = int(np.argmax(np.abs(across @ normal)))
    normal = normal * np.sign(across[axis] @ normal)
    lean = min(float(np.linalg.norm(np.cross(across[axis], normal))), 1.0)
    wide = float(np.linalg.norm(np.ptp(np.vstack(contours), axis=0)))
    wobbly = _thickness(contours, normal) > _FLATTER * _thickness(contours, across[axis])
    if lean * wide <= _DRIFT * steps[axis] or wobbly:
        return None
    return _grid(contours, image, normal, axis, float(steps[axis])), float(np.rad2deg(np.arcsin(lean)))


def onto_image(region: Region, grid: Geometry, image: Geometry) -> Region:
    """A region of ``grid`` on the image's lattice continued beyond its borders, by nearest voxel.

    Raises :class:`Absurd` for a reach beyond any anatomy.
    """
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_patient(region.origin)
    own = replace(grid, shape=region.patch.shape, affine=affine)
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in own.shape])).reshape(3, -1).T
    reach = image.to_index(own.to_patient(corners))
    low = np.floor(reach.min(axis=0)).astype(int)
    z, y, x = (int(size) for size in np.ceil(reach.max(axis=0)).astype(int) + 1 - low)
    if float(z) * y * x > _MOST_VOXELS:
        raise Absurd
    affine = image.affine.copy()
    affine[:3, 3] = image.to_patient(low)
    cut = Region.from_mask(region.name, region.colour, resample_labels(region.patch, own, Geometry((z, y, x), affine)))
    k, row, column = (int(a + b) for a, b in zip(cut.origin, low, strict=True))
    return replace(cut, origin=(k, row, column) if cut.voxels else (0, 0, 0))


def _thickness(contours: Contours, normal: NDArray[np.float64]) -> float:
    """How far the corners of one contour leave a plane across ``normal``, mm, at most."""
    return max(float(np.ptp(one @ normal)) for one in contours)


def _grid(contours: Contours, image: Geometry, normal: NDArray[np.float64], axis: int, step: float) -> Geometry:
    """Slices along ``normal``, one for each plane of contours at even distances."""
    heights = np.array([(one @ normal).min() + np.ptp(one @ normal) / 2 for one in contours])
    planes = distinct_planes(heights / step)[0] * step
    gap = usual_gap(planes)
    if np.isfinite(gap):
        places = (planes - planes[0]) / gap
        step = gap if np.abs(places - np.rint(places)).max() <= _EVEN else gap / _FINER
    first, second = (k for k in range(3) if k != axis)
    down = image.direction[:, first] - normal * (image.direction[:, first] @ normal)
    down /= np.linalg.norm(down)
    affine = np.eye(4)
    affine[:3, 0] = normal * step
    affine[:3, 1] = down * image.spacing[first] / _SHARPER
    affine[:3, 2] = np.cross(normal, down) * image.spacing[second] / _SHARPER
    corner = image.affine[:3, 3]
    affine[:3, 3] = corner + normal * (planes[0] - corner @ normal)
    shape = (image.shape[axis], image.shape[first] * _SHARPER, image.shape[second] * _SHARPER)
    return Geometry(shape, affine)
