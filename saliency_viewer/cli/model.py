"""`model check PACKAGE`: whether a model package can be used."""

from __future__ import annotations

import argparse

from saliency_viewer.cli.console import say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `model`'s options."""
    parser.add_argument("action", choices=("check",), help="what to do")
    parser.add_argument("package", metavar="PACKAGE", help="model package: folder or zip")
    parser.add_argument("--trust-code", action="store_true", help="let the package run its own Python file")


def run(options: argparse.Namespace) -> int:
    """Load a package, run it once and describe it; its first fault is a :class:`UserError`."""
    from saliency_viewer.models import check_package
    from saliency_viewer.pipeline import prepare_torch

    prepare_torch()
    for sentence in check_package(options.package, options.trust_code):
        say(sentence)
    return 0
