"""The command line."""

from saliency_viewer.cli.main import run

__all__ = ["run"]
