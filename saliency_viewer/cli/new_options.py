"""What `model new` can be told, and how it changes the card that a checkpoint suggests."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from saliency_viewer.cli.parsing import listed, natural_number
from saliency_viewer.domain import ExplainSpec, InputSpec, ModelCard, OutputSpec
from saliency_viewer.errors import UserError

_PYTHON = "python:"


def add_card_options(parser: argparse.ArgumentParser) -> None:
    """Add what stands in a card."""
    parser.add_argument("--architecture", metavar="NAME", help="as in model.toml (default: found from the weights)")
    parser.add_argument(
        "--arguments", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="of the architecture"
    )
    parser.add_argument("--name", help="name of the model")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="names of the classes, in the network's order")
    parser.add_argument(
        "--activation", choices=("softmax", "sigmoid", "none"), help="what follows the network's answer"
    )
    parser.add_argument("--threshold", type=float, metavar="P", help="probability from which the class is predicted")
    parser.add_argument("--layout", choices=("2d", "2.5d", "3d"), help="slices, neighbouring slices, or a volume")
    parser.add_argument("--channels", type=natural_number, metavar="N", help="of the network's input")
    parser.add_argument("--size", nargs="+", type=natural_number, metavar="N", help="(slices) rows columns")
    parser.add_argument(
        "--fit", choices=("letterbox", "crop", "pad", "stretch", "none"), help="how an image becomes this size"
    )
    parser.add_argument("--spacing", nargs="+", type=float, metavar="MM", help="resample to it")
    parser.add_argument("--orientation", metavar="CODE", help="turn to it, such as RAS")
    parser.add_argument("--intensity", metavar="STEPS", help="imagenet, unit, window:CENTRE,WIDTH, zscore, ...")
    parser.add_argument("--transforms", metavar="torchvision:WEIGHTS", help="preprocessing of published weights")
    parser.add_argument("--modality", nargs="+", metavar="CODE", help="of the images it was made for, such as CR DX")
    parser.add_argument("--body-part", nargs="+", metavar="NAME", help="likewise")
    parser.add_argument("--view", nargs="+", metavar="NAME", help="likewise")
    parser.add_argument("--layer", metavar="NAME", help="layer of class activation maps (default: found)")
    parser.add_argument("--target", metavar="CLASS", help="class to explain (default: the predicted one)")
    parser.add_argument("--baseline", choices=("minimum", "zero", "blur", "mean"), help="of path methods")


def read_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` texts; values as TOML writes them, anything else is text. Raises :class:`UserError`."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"'{text}' is no argument.", "Write it as key=value, such as num_classes=2.")
        try:
            found[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value
    return found


def own_file(architecture: str) -> tuple[str, dict[str, bytes]]:
    """``python:PATH/FILE.py:CLASS`` as a card writes it, and that file; other architectures as they are."""
    if not architecture.startswith(_PYTHON):
        return architecture, {}
    path, _, class_name = architecture.removeprefix(_PYTHON).rpartition(":")
    if not path or not class_name.isidentifier():
        raise UserError("A python architecture needs a file and a class.", "Write it like python:network.py:MyNetwork.")
    try:
        return f"{_PYTHON}{Path(path).name}:{class_name}", {Path(path).name: Path(path).read_bytes()}
    except OSError as error:
        raise UserError("The file with the network's code cannot be read.", "Check its path.") from error


def with_options(card: ModelCard, options: argparse.Namespace) -> ModelCard:
    """The card with everything that was said; raises :class:`UserError`."""
    return replace(
        card,
        output=_output(card.output, options),
        input=_input(card.input, options),
        explain=ExplainSpec(options.layer, options.target, options.baseline or "minimum"),
        **_said(
            name=options.name,
            modality=_texts(options.modality),
            body_part=_texts(options.body_part),
            view=_texts(options.view),
        ),
    )


def _output(spec: OutputSpec, options: argparse.Namespace) -> OutputSpec:
    said = _said(classes=_class_names(options.classes), activation=options.activation, threshold=options.threshold)
    return replace(spec, **said)


def _input(spec: InputSpec, options: argparse.Namespace) -> InputSpec:
    from saliency_viewer.models.making import intensity_name, intensity_steps
    from saliency_viewer.models.torchvision_transforms import spec_named

    if options.transforms:
        spec = replace(spec_named(options.transforms), layout=spec.layout, channels=spec.channels)
    channels = options.channels or spec.channels
    named = "" if options.transforms else intensity_name(spec.intensity, spec.channels)
    wanted = options.intensity or named
    return replace(
        spec,
        channels=channels,
        # The usual steps have as many means as channels, so they are made anew for another number of them.
        intensity=intensity_steps(wanted, channels) if wanted else spec.intensity,
        **_said(
            layout=options.layout,
            size=_texts(options.size),
            fit=options.fit,
            spacing=_texts(options.spacing),
            orientation=options.orientation,
        ),
    )


def _said(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def _class_names(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names as they are; a single text with commas is a list, as on the terminal."""
    if values is None or len(values) != 1:
        return _texts(values)
    return listed(values[0])


def _texts(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
