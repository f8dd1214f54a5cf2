"""Making a model package out of a checkpoint: a draft of its card, its intensity steps by name, its files."""

from saliency_viewer.models.making.assembling import package_of, refuse_place, write_new
from saliency_viewer.models.making.drafting import class_names, draft_card, usual_intensity
from saliency_viewer.models.making.intensities import DEFAULT_WINDOW, INTENSITIES, intensity_name, intensity_steps

__all__ = [
    "DEFAULT_WINDOW",
    "INTENSITIES",
    "class_names",
    "draft_card",
    "intensity_name",
    "intensity_steps",
    "package_of",
    "refuse_place",
    "usual_intensity",
    "write_new",
]
