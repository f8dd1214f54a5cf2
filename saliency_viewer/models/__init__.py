"""Model packages: card, weights, architectures, preprocessing with its exact inverse, layers.

Importing this package does not import torch.
"""

from saliency_viewer.models.architectures import ARCHITECTURES, Architecture
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.case_lists import CaseLists, case_digest, case_table, read_case_lists
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.ensemble_writing import write_ensemble
from saliency_viewer.models.files import BUNDLE_NAME, CARD_NAME, is_package
from saliency_viewer.models.layers import LayerNode, layer_tree
from saliency_viewer.models.own_code import OwnCode
from saliency_viewer.models.package import check_package, load_package, read_card
from saliency_viewer.models.package_writing import require_package_place, write_package
from saliency_viewer.models.prepared import Prepared
from saliency_viewer.models.torchvision_transforms import spec_named, spec_of_timm, spec_of_transforms

__all__ = [
    "ARCHITECTURES",
    "BUNDLE_NAME",
    "CARD_NAME",
    "Architecture",
    "CaseLists",
    "Classifier",
    "LayerNode",
    "OwnCode",
    "Prepared",
    "card_to_toml",
    "case_digest",
    "case_table",
    "check_package",
    "is_package",
    "layer_tree",
    "load_package",
    "parse_card",
    "read_card",
    "read_case_lists",
    "require_package_place",
    "spec_named",
    "spec_of_timm",
    "spec_of_transforms",
    "write_ensemble",
    "write_package",
]
