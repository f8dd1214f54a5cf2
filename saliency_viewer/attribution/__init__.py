"""Attribution maps: one engine that runs the network, one file for each method.

``explain`` imports torch when it is first used; the list of methods never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods import FAMILIES, METHODS, Method, method, method_parameters
from saliency_viewer.attribution.results import Result, Results

if TYPE_CHECKING:
    from saliency_viewer.attribution.engine import explain

__all__ = ["FAMILIES", "METHODS", "Method", "Result", "Results", "explain", "method", "method_parameters"]


def __getattr__(name: str) -> Any:
    if name == "explain":
        from saliency_viewer.attribution import engine

        return engine.explain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
