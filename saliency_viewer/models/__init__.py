"""Model packages: card, weights, architectures, preprocessing with its exact inverse, layers.

Importing this package does not import torch.
"""

from saliency_viewer.models.architectures import ARCHITECTURES, Architecture
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.layers import LayerNode, layer_names
from saliency_viewer.models.package import check_package, load_package, write_package
from saliency_viewer.models.prepared import Prepared

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Classifier",
    "LayerNode",
    "Prepared",
    "card_to_toml",
    "check_package",
    "layer_names",
    "load_package",
    "parse_card",
    "write_package",
]
