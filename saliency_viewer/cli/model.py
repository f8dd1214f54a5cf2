"""`model check PACKAGE`: whether a model package can be used."""

from __future__ import annotations

import argparse

from saliency_viewer.cli.console import say
from saliency_viewer.cli.options import add_trust_options, trusted


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `model`'s options."""
    parser.add_argument("action", choices=("check",), help="what to do")
    parser.add_argument("package", metavar="PACKAGE", help="model package: folder or zip")
    add_trust_options(parser)


def run(options: argparse.Namespace) -> int:
    """Load a package, run it once and describe it; its first fault is a :class:`UserError`."""
    from saliency_viewer.models import check_package
    from saliency_viewer.pipeline import prepare_torch

    prepare_torch()
    for sentence in check_package(options.package, trusted(options)):
        say(sentence)
    return 0
