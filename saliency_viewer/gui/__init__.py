"""The window: the only package that knows Qt, and one that never imports torch."""

from __future__ import annotations

__all__ = ["launch"]


def launch(paths: list[str], model: str | None, demo: str | None, screenshot: str | None, trust_code: bool) -> int:
    """Open the window and run until it is closed; returns the exit status. See :func:`gui.app.launch`."""
    from saliency_viewer.gui import app  # Qt is loaded here, not when the package is looked at

    return app.launch(paths, model, demo, screenshot, trust_code)
