"""`compare INPUT`: several models asked about one image."""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from saliency_viewer.cli.console import ProgressBar, complain, say
from saliency_viewer.cli.examination import prediction_words
from saliency_viewer.cli.options import add_question_options, existing_files, make_plan, trusted
from saliency_viewer.cli.parsing import listed, natural_number
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.domain import AgreementRow, AnalysisPlan, Comparison
    from saliency_viewer.render import Scale

_SCALES: tuple[Scale, ...] = ("own", "method", "all")  # of a package that takes a moment to load
_SHOWN = ("rank_correlation", "iou_top_10")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `compare`'s options."""
    parser.add_argument("input", metavar="INPUT", help="study or image to explain")
    parser.add_argument(
        "--model", nargs="+", action="extend", default=[], metavar="PACKAGE", help="two or more model packages"
    )
    parser.add_argument(
        "--levels", type=_levels, default=(0.5,), metavar="0.5,0.8", help="contours, as parts of a map's highest value"
    )
    parser.add_argument(
        "--scale",
        choices=_SCALES,
        default="method",
        help="colour scale: each map's own, of one method's raw values (default), or shares of each map's largest",
    )
    parser.add_argument(
        "--slice",
        type=natural_number,
        metavar="N",
        help="slice of comparison.png, from 0 (default: where the maps of all models together are strongest)",
    )
    add_question_options(parser)


def _levels(text: str) -> tuple[float, ...]:
    try:
        levels = tuple(float(part) for part in listed(text))
    except ValueError:
        levels = (-1.0,)
    if not all(0.0 < level <= 1.0 for level in levels):
        raise argparse.ArgumentTypeError("levels are numbers above 0 and up to 1, such as 0.5,0.8")
    return levels


def run(options: argparse.Namespace) -> int:
    """Compare models on one study; 1 when a model failed."""
    from saliency_viewer.domain import RegionSet
    from saliency_viewer.exporters import file_sha256
    from saliency_viewer.pipeline import (
        Services,
        check_plan,
        combined_regions,
        compare_models,
        export_comparison,
        is_unexplained,
    )

    plans = _plans(options)
    check_plan(plans[0])
    files = existing_files(options.regions, "region file")
    services, bar = Services(trusted(options), models=1), ProgressBar()
    try:
        context = RunContext(bar)
        volume = services.image(plans[0].image, context.part(0.0, 0.05)).volume
        _check_slice(options.slice, volume.geometry.shape[0])
        regions = combined_regions(files, RegionSet(volume.geometry))
        comparison = compare_models(plans, services, regions, context.part(0.05, 0.95))
        inputs = [{"kind": "regions", "sha256": file_sha256(path), "path": str(path)} for path in files]
        look = options.levels, options.scale, options.identify, inputs, options.slice
        export_comparison(comparison, plans[0], regions, options.out, *look)
    finally:
        bar.clear()
    if options.slice is not None and is_unexplained(comparison, options.slice):
        complain(f"warning: no map reaches slice {options.slice}. Add --slices {options.slice} to explain it.")
    return _tell(comparison)


def _check_slice(index: int | None, count: int) -> None:
    """Said before hours of computing, not after them."""
    if index is not None and index >= count:
        raise UserError(f"The image has no slice {index}.", f"Slices go from 0 to {count - 1}.")


def _plans(options: argparse.Namespace) -> list[AnalysisPlan]:
    """One plan for each model; a layer named without a model's number holds for all."""
    if len(options.model) < 2 and len(options.method) < 2:
        raise UserError("There is nothing to compare.", "Give two or more models (--model A --model B), or methods.")
    if not options.model:
        raise UserError("No model is given.", "Add --model PACKAGE.")
    existing_files(options.model, "model package")
    layers = _layers(options.layer, len(options.model))
    shared = argparse.Namespace(**{**vars(options), "model": options.model[0], "layer": None})
    plan = make_plan(shared, options.input)
    return [replace(plan, model=model, layer=layers[k]) for k, model in enumerate(options.model)]


def _layers(text: str | None, models: int) -> list[str | None]:
    """``2=features.29,1=layer4`` by the models' numbers from 1, or one name for all."""
    if not text or "=" not in text:
        return [text or None] * models
    found: list[str | None] = [None] * models
    for part in text.split(","):
        number, _, name = part.partition("=")
        if not number.strip().isdigit() or not 1 <= int(number) <= models or not name.strip():
            raise UserError(
                f"'{part}' names no model's layer.", f"Write NUMBER=LAYER, with numbers from 1 to {models}."
            )
        found[int(number) - 1] = name.strip()
    return found


def _tell(comparison: Comparison) -> int:
    for one in comparison.contenders:
        if one.result is None:
            complain(f"{one.name} could not be asked: {one.failure}")
            continue
        say(f"{one.name}: {prediction_words(one.result.prediction)}")
        for failure in one.result.failures:
            complain(f"{one.name}, {failure.method}: no map: {failure.message} {failure.hint}".rstrip())
        for warning in one.result.warnings:
            complain(f"warning: {one.name}: {warning}")
    for row in comparison.rows:
        if row.statistic in _SHOWN:
            say(_sentence(row))
    for kind in ("repeatability", "reproducibility"):
        values = [
            row.value
            for row in comparison.rows
            if row.relation == kind and row.statistic == "rank_correlation" and row.value is not None
        ]
        if values:
            say(f"{kind}: mean rank correlation {fmean(values):.2f} of {len(values)} pairs of maps")
    return int(any(one.result is None for one in comparison.contenders))


def _sentence(row: AgreementRow) -> str:
    who = (
        f"{row.model_a}: {row.method_a} and {row.method_b}"
        if row.relation == "same model"
        else f"{row.method_a}: {row.model_a} and {row.model_b} ({row.relation})"
    )
    value = f"undefined, {row.note}" if row.value is None else f"{row.value:.2f}"
    chance = "" if row.chance is None else f" (by chance up to {row.chance:.2f})"
    note = f"; {row.note}" if row.note and row.value is not None else ""
    return f"{who}: {row.statistic.replace('_', ' ')} {value}{chance}{note}"
