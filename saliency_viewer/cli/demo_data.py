"""`demo-data DIR`: the built-in phantoms and their models as files."""

from __future__ import annotations

import argparse
from pathlib import Path

from saliency_viewer.cli.console import say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `demo-data`'s options."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to write")


def run(options: argparse.Namespace) -> int:
    """Write the demo."""
    from saliency_viewer.pipeline import write_demo

    for path in write_demo(options.folder):
        say(str(path))
    return 0
