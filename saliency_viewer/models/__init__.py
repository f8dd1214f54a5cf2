"""Model packages: card, weights, architectures, preprocessing with its exact inverse, layers.

Importing this package does not import torch.
"""

from saliency_viewer.models.architectures import ARCHITECTURES, Architecture
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.files import CARD_NAME, is_package
from saliency_viewer.models.layers import LayerNode, layer_tree
from saliency_viewer.models.own_code import OwnCode
from saliency_viewer.models.package import (
    check_package,
    load_package,
    read_card,
    require_package_place,
    write_package,
)
from saliency_viewer.models.prepared import Prepared

__all__ = [
    "ARCHITECTURES",
    "CARD_NAME",
    "Architecture",
    "Classifier",
    "LayerNode",
    "OwnCode",
    "Prepared",
    "card_to_toml",
    "check_package",
    "is_package",
    "layer_tree",
    "load_package",
    "parse_card",
    "read_card",
    "require_package_place",
    "write_package",
]
