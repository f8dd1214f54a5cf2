"""Synthetic chest radiographs and brain volumes with known truth, as arrays and as DICOM."""

from saliency_viewer.phantoms.brain import brain_phantom
from saliency_viewer.phantoms.chest import chest_phantom
from saliency_viewer.phantoms.dicom_dx import write_dicom_dx
from saliency_viewer.phantoms.dicom_mr import write_dicom_mr
from saliency_viewer.phantoms.phantom import Phantom
from saliency_viewer.phantoms.trees import TreeCase, make_csv, make_rsna, make_siim

__all__ = [
    "Phantom",
    "TreeCase",
    "brain_phantom",
    "chest_phantom",
    "make_csv",
    "make_rsna",
    "make_siim",
    "write_dicom_dx",
    "write_dicom_mr",
]
