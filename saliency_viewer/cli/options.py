"""The options that `explain` and `batch` share, and the plan they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from saliency_viewer.cli.parsing import natural_number, whole_numbers
from saliency_viewer.domain import AnalysisPlan, Grid, ImageReference, MethodRequest, parameter_specs
from saliency_viewer.domain.plan import DEFAULT_BATCH_SIZE, DEFAULT_THREADS
from saliency_viewer.errors import UserError

DEFAULT_METHOD = "grad-cam"


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add what makes an :class:`AnalysisPlan` of one model, and where its outputs go."""
    parser.add_argument("--model", "--model_path", required=True, metavar="PACKAGE", help="model package")
    add_question_options(parser)


def add_question_options(parser: argparse.ArgumentParser) -> None:
    """Add everything of a plan but its model, and where its outputs go."""
    parser.add_argument("--series", metavar="UID|NUMBER", help="series of the study (default: the largest)")
    add_grid_option(parser)
    parser.add_argument(
        "--method",
        "--methods",
        nargs="+",
        action="extend",
        default=[],
        metavar="ID",
        help=f"one or more methods (default: {DEFAULT_METHOD})",
    )
    parser.add_argument("--target", metavar="CLASS", help="class to explain (default: the model's, else the predicted)")
    parser.add_argument(
        "--fold", default="", metavar="NAME", help="of an ensemble (default: the one that held the case out, else mean)"
    )
    parser.add_argument("--layer", metavar="NAME", help="layer of layer methods (default: the model's, else found)")
    parser.add_argument(
        "--baseline", metavar="NAME", help="minimum, zero, mean, maximum or blur (default: the model's)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        dest="settings",
        metavar="ID.parameter=value",
        help="parameters of methods",
    )
    parser.add_argument(
        "--regions", nargs="+", action="extend", default=[], metavar="FILE", help="one or more label maps"
    )
    parser.add_argument(
        "--slices", "--key_slices", type=whole_numbers, default=(), metavar="40,50,60", help="key slices, from 0"
    )
    parser.add_argument("--seed", type=natural_number, default=0, metavar="N", help="seed of random methods")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=natural_number, default=DEFAULT_THREADS, metavar="N", help="CPU threads")
    parser.add_argument("--batch-size", type=natural_number, default=DEFAULT_BATCH_SIZE, metavar="N", help="batch size")
    parser.add_argument("--identify", action="store_true", help="keep the input's paths in the manifest")
    add_trust_options(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="output folder")


def add_grid_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a grid for series whose slices are tilted or unevenly spaced."""
    parser.add_argument(
        "--grid",
        choices=get_args(Grid),
        default=None,
        help="slices as stored, or resampled onto a regular grid, where a series offers both (default: its usual one)",
    )


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """Add the two ways to allow model packages that bring code."""
    parser.add_argument("--trust-code", action="store_true", help="let model packages run the Python file they bring")
    parser.add_argument(
        "--trust-sha256",
        nargs="+",
        action="extend",
        default=[],
        metavar="DIGEST",
        help="let them run it only if its SHA-256 is one of these",
    )


def trusted(options: argparse.Namespace) -> bool | frozenset[str]:
    """Which Python files of model packages may run: all, or those with a digest in the set."""
    return options.trust_code or frozenset(digest.lower() for digest in options.trust_sha256)


def make_plan(options: argparse.Namespace, image: str) -> AnalysisPlan:
    """The plan that the options describe; raises :class:`UserError` for an unknown method or parameter."""
    wanted = options.method or [DEFAULT_METHOD]
    return AnalysisPlan(
        image=ImageReference(image, options.series, options.grid or ""),
        model=options.model,
        methods=method_requests(wanted, options.settings),
        target=options.target,
        layer=options.layer,
        fold=options.fold,
        baseline=options.baseline,
        slices=options.slices,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        batch_size=options.batch_size,
    )


def method_requests(ids: Sequence[str], settings: Sequence[str]) -> tuple[MethodRequest, ...]:
    """Requests with canonical ids, each once, and the parameters of ``ID.parameter=value`` texts."""
    from saliency_viewer.attribution import method

    chosen: dict[str, dict[str, Any]] = {method(name).id: {} for name in ids}
    for text in settings:
        owner, name, value = _split_setting(text)
        target = method(owner)
        if target.id not in chosen:
            raise UserError(
                f"A parameter is set for {target.id}, which is not among the methods.",
                f"Add --method {target.id}, or leave the setting out.",
            )
        spec = next((spec for spec in parameter_specs(target.Parameters) if spec.name == name.replace("-", "_")), None)
        if spec is None:
            known = ", ".join(spec.name for spec in parameter_specs(target.Parameters)) or "none"
            raise UserError(f"{target.id} has no parameter '{name}'.", f"Its parameters are: {known}.")
        chosen[target.id][spec.name] = spec.parse(value, target.id)
    return tuple(MethodRequest(name, parameters) for name, parameters in chosen.items())


def _split_setting(text: str) -> tuple[str, str, str]:
    name, equals, value = text.partition("=")
    owner, dot, parameter = name.partition(".")
    if not (equals and dot and owner and parameter):
        raise UserError(
            f"'{text}' is no setting.", "Write it as ID.parameter=value, for example integrated-gradients.steps=50."
        )
    return owner.strip(), parameter.strip(), value.strip()


def existing_files(names: Sequence[str], what: str) -> tuple[Path, ...]:
    """Paths that exist; raises :class:`UserError` otherwise. It counts them: paths can hold patients' names."""
    paths = tuple(Path(name) for name in names)
    for number, path in enumerate(paths, 1):
        if not path.exists():
            which = f": number {number} of {len(paths)}" if len(paths) > 1 else ""
            raise UserError(f"There is no such {what}{which}.", "Check the spelling of the path.")
    return paths
