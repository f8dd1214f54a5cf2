"""The built-in demo as files: phantoms with what is true about them, and the models that were trained on such."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.exporters import write_regions, write_volume
from saliency_viewer.runtime.files import make_folder, write_error
from saliency_viewer.runtime.resources import resource_path
from saliency_viewer.spatial import Geometry

if TYPE_CHECKING:
    from saliency_viewer.phantoms import Phantom

DEMO_SEED = 20
KINDS = ("chest", "brain")


def write_demo(folder: Path, seed: int = DEMO_SEED) -> list[Path]:
    """Write ``chest/{study,model,regions.nii.gz}`` and ``brain/{study,nifti,model,regions.nii.gz}``.

    Returns what was written. Raises :class:`UserError` when the disk refuses.
    """
    from saliency_viewer.phantoms import brain_phantom, chest_phantom, write_dicom_dx, write_dicom_mr

    chest = chest_phantom(seed, lesion="left")
    write_dicom_dx(chest, make_folder(folder / "chest" / "study"))
    brain = brain_phantom(seed, atrophy="left")
    write_dicom_mr(brain, make_folder(folder / "brain" / "study"))
    nifti = write_volume(brain.volume, folder / "brain" / "nifti" / "brain.nii.gz")
    written = [folder / "chest" / "study", folder / "brain" / "study", nifti]
    for kind, phantom in (("chest", chest), ("brain", brain)):
        truth = folder / kind / "regions.nii.gz"
        grid = _grid_as_read(folder / kind / "study", phantom)
        written.append(write_regions(replace(phantom.regions, geometry=grid), truth))
        written.append(_copy_model(kind, folder / kind / "model"))
    return written


def _grid_as_read(study: Path, phantom: Phantom) -> Geometry:
    """The grid that the truth must lie on: a radiograph has no place in the patient, so its reader chooses one."""
    if not phantom.volume.geometry.is_planar:
        return phantom.volume.geometry
    from saliency_viewer.readers import open_study

    return open_study(study).choose().load().geometry


def _copy_model(kind: str, target: Path) -> Path:
    source = resource_path("models", kind)
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise write_error(error if not isinstance(error, shutil.Error) else OSError()) from error
    return target
