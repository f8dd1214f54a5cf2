"""The built-in demo as files: phantoms with what is true about them, and the models that were trained on such."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import RegionSet
from saliency_viewer.exporters import write_labels, write_volume
from saliency_viewer.runtime.files import make_folder, write_error
from saliency_viewer.runtime.resources import resource_path

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
        written.append(write_labels(painted_labels(phantom.regions), phantom.volume.geometry, truth))
        written.append(_copy_model(kind, folder / kind / "model"))
    return written


def painted_labels(regions: RegionSet) -> NDArray[np.int32]:
    """Labels 1..n in which a later region covers an earlier one: a lesion lies on its lung, not beside it."""
    labels = np.zeros(regions.geometry.shape, dtype=np.int32)
    for label, region in enumerate(regions.regions, start=1):
        labels[region.box][region.patch] = label
    return labels


def _copy_model(kind: str, target: Path) -> Path:
    source = resource_path("models", kind)
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise write_error(error if not isinstance(error, shutil.Error) else OSError()) from error
    return target
