"""`model check PACKAGE`: everything that is wrong with a model package, and how to mend it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.cli.console import ProgressBar, complain, say
from saliency_viewer.cli.examination import record, say_examination, say_layers
from saliency_viewer.cli.options import add_trust_options, trusted
from saliency_viewer.domain import ImageReference
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.pipeline import Examination

FAULTY = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `model check`'s options."""
    parser.add_argument("package", metavar="PACKAGE", help="model package: folder or zip")
    parser.add_argument("--methods", action="store_true", help="try every attribution method on it")
    parser.add_argument("--layers", action="store_true", help="show the network's layers")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    add_image_options(parser)
    add_trust_options(parser)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add what an image to check on needs."""
    parser.add_argument("--image", metavar="FILE", help="image or study to check it on")
    parser.add_argument("--series", metavar="UID|NUMBER", help="series of the study (default: the largest)")
    parser.add_argument("--check-map", type=Path, metavar="FILE.png", help="write a picture of a map for the image")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")


def image_of(options: argparse.Namespace) -> ImageReference | None:
    """The image to check on; raises :class:`UserError` for a map without one, or for a picture that is no PNG."""
    if options.check_map is not None and options.image is None:
        raise UserError("--check-map needs an image.", "Name one with --image.")
    if options.check_map is not None and options.check_map.suffix.lower() != ".png":
        raise UserError("The picture of a map is a PNG file.", "Give --check-map a name that ends in .png.")
    return None if options.image is None else ImageReference(options.image, options.series)


def run(options: argparse.Namespace) -> int:
    """Check a package; 0 when nothing is wrong with it, else 2."""
    from saliency_viewer.models.files import open_files
    from saliency_viewer.pipeline import Services, examine, prepare_torch

    prepare_torch()
    reference = image_of(options)
    bar = ProgressBar()
    context = RunContext(bar)
    try:
        files = open_files(options.package)
        volume = None if reference is None else Services().image(reference, context.part(0.0, 0.1)).volume
        found = examine(files, trusted(options), volume, options.methods, options.device, context.part(0.1, 1.0))
    finally:
        bar.clear()
    if options.json:
        say(json.dumps(record(found), indent=2, ensure_ascii=False))
    else:
        say_examination(found)
        if options.layers and found.layers is not None:
            say_layers(found.layers)
    write_map(found, options.check_map)
    if found.good:
        if not options.json:
            say("The package can be used.")
        return 0
    complain(f"saliency-viewer: {said_faults(found)}")
    return FAULTY


def said_faults(found: Examination) -> str:
    """One sentence about what is wrong: the fault, or how many there are and the first."""
    faults = [finding for finding in found.findings if finding.level == "fault"]
    return faults[0].text if len(faults) == 1 else f"There are {len(faults)} faults. The first: {faults[0].text}"


def write_map(found: Examination, path: Path | None) -> None:
    """Draw the map and write it where it was asked for; say so if there is none."""
    from saliency_viewer.exporters import write_png

    if path is None:
        return
    picture = found.picture()
    if picture is None:
        complain("saliency-viewer: There is no map to write.")
    else:
        write_png(picture, path)
