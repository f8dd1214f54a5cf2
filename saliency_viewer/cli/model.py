"""`model check PACKAGE`: whether a model package can be used."""

from __future__ import annotations

import argparse

from saliency_viewer.cli.console import complain, say
from saliency_viewer.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `model`'s options."""
    parser.add_argument("action", choices=("check",), help="what to do")
    parser.add_argument("package", metavar="PACKAGE", help="model package: folder or zip")


def run(options: argparse.Namespace) -> int:
    """Check a package and name every fault."""
    from saliency_viewer.models import check_package

    faults = check_package(options.package)
    if not faults:
        say("The model package is in order.")
        return 0
    for fault in faults[:-1]:
        complain(f"saliency-viewer: {fault}")
    raise UserError(faults[-1])
