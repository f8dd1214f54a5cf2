"""`measure MAP --regions FILE`: region statistics of any map, ours or not."""

from __future__ import annotations

import argparse
from pathlib import Path

from saliency_viewer.cli.console import complain, say
from saliency_viewer.cli.options import add_grid_option, existing_files


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `measure`'s options."""
    parser.add_argument("map", metavar="MAP", type=Path, help="map with a geometry, such as .nii.gz")
    parser.add_argument("--regions", nargs="+", action="extend", required=True, metavar="FILE", help="label maps")
    parser.add_argument("--organ", metavar="FILE", help="mask that all is related to (default: all that was seen)")
    add_grid_option(parser)
    parser.add_argument("--subject", default="", metavar="NAME", help="text of the subject column")
    parser.add_argument("--out", required=True, type=Path, metavar="CSV", help="table to write")


def run(options: argparse.Namespace) -> int:
    """Measure a map."""
    from saliency_viewer.pipeline import measure_map

    existing_files([str(options.map)], "map")
    regions = existing_files(options.regions, "region file")
    organ = existing_files([options.organ], "organ mask")[0] if options.organ else None
    rows = measure_map(
        options.map,
        regions,
        options.out,
        organ,
        options.subject,
        lambda warning: complain(f"warning: {warning}"),
        options.grid,
    )
    say(f"{len(rows)} statistics")
    return 0
