"""Which network a file of weights belongs to, from the names and shapes in it. Nothing is downloaded or run."""

from saliency_viewer.models.recognition.candidate import Candidate
from saliency_viewer.models.recognition.forms import Form
from saliency_viewer.models.recognition.inspection import Inspection, inspect_checkpoint, read_checkpoint
from saliency_viewer.models.recognition.ranking import recognise
from saliency_viewer.models.recognition.shapes import Fit, shapes_of

__all__ = [
    "Candidate",
    "Fit",
    "Form",
    "Inspection",
    "inspect_checkpoint",
    "read_checkpoint",
    "recognise",
    "shapes_of",
]
