"""Saliency Viewer: see why a trained medical-image classifier said what it said, and whether to believe it.

For research use only. Not a medical device. Saliency shows model behaviour, not pathology.

The names below are loaded when first used, so that ``import saliency_viewer`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

from saliency_viewer.errors import Cancelled, UserError

__version__ = "0.1.0"

_LAZY = {
    "explain": "saliency_viewer.attribution",
    "METHODS": "saliency_viewer.attribution",
    "open_study": "saliency_viewer.readers",
    "load_regions": "saliency_viewer.readers",
    "keras_network": "saliency_viewer.models.from_keras",
    "load_model": "saliency_viewer.pipeline",
    "region_statistics": "saliency_viewer.measure",
}

__all__ = [
    "METHODS",
    "Cancelled",
    "UserError",
    "explain",
    "keras_network",
    "load_model",
    "load_regions",
    "open_study",
    "region_statistics",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
