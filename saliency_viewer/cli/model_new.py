"""`model new CHECKPOINT`: a model package from weights or a program; guesses, asks the rest, and tries it first."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from saliency_viewer.cli.asking import Asker
from saliency_viewer.cli.console import ProgressBar, complain, say
from saliency_viewer.cli.examination import say_examination, say_layers
from saliency_viewer.cli.model_check import FAULTY, add_image_options, image_of, said_faults, write_map
from saliency_viewer.cli.new_options import add_card_options, own_file, read_arguments, with_options
from saliency_viewer.cli.options import add_trust_options, trusted
from saliency_viewer.cli.parsing import listed
from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.models.recognition import Candidate, Inspection
    from saliency_viewer.pipeline import Examination

Item = TypeVar("Item")

_VOLUME_SIZE = "96 96 96"  # a guess; nothing in the weights of a network with pooling says it
_PLANE_SIZE = "224 224"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `model new`'s options."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="weights, or a TorchScript, .pt2, ONNX or Keras file")
    parser.add_argument("--out", required=True, type=Path, metavar="PACKAGE", help="folder, or file ending in .zip")
    parser.add_argument("--replace", action="store_true", help="in the place of a package that is there already")
    add_card_options(parser)
    add_image_options(parser)
    parser.add_argument("--layers", action="store_true", help="show the network's layers")
    parser.add_argument("--yes", action="store_true", help="ask nothing, take the usual answers")
    add_trust_options(parser)


def run(options: argparse.Namespace) -> int:
    """Make a package; 0 when it was written, 2 when something is wrong with it."""
    from saliency_viewer.models.making import refuse_place, write_new
    from saliency_viewer.pipeline import InspectCheckpoint, NewPackage, Services, prepare_torch

    prepare_torch()
    reference = image_of(options)
    refuse_place(options.out, options.replace)
    services = Services(trusted(options))
    inspection = _with_bar(lambda context: InspectCheckpoint(options.checkpoint).run(services, context))
    _say_inspection(inspection)
    asker = Asker(options.yes)
    candidate, code = _candidate(options, inspection, asker)
    new = NewPackage(options.checkpoint, _card(options, inspection, candidate, asker), code)
    files = new.files(services)

    def examined(context: RunContext) -> Examination:
        from saliency_viewer.models.files import MemoryFiles
        from saliency_viewer.pipeline import examine

        volume = None if reference is None else services.image(reference, context.part(0.0, 0.1)).volume
        return examine(
            MemoryFiles(files), services.trust_code, volume, device=options.device, context=context.part(0.1, 1.0)
        )

    found = _with_bar(examined)
    say_examination(found)
    if asker.assumed:
        say(f"Assumed, since nothing said otherwise: {asker.assumed}. Answers and maps are wrong where these are.")
    if options.layers and found.layers is not None:
        say_layers(found.layers)
    write_map(found, options.check_map)
    if not found.good and not asker.yes("Write the package all the same?"):
        complain(f"saliency-viewer: The package was not written. {said_faults(found)}")
        complain(
            "What model.toml holds, the options of this command say: 'saliency-viewer model new --help' lists them."
        )
        return FAULTY
    write_new(options.out, files)
    say("The package is written.")
    return 0


def _with_bar(work: Callable[[RunContext], Item]) -> Item:
    bar = ProgressBar()
    try:
        return work(RunContext(bar))
    finally:
        bar.clear()


def _say_inspection(inspection: Inspection) -> None:
    if inspection.tensors:
        say(f"The checkpoint holds {inspection.tensors} weights, {inspection.numbers:,} numbers.")
    else:
        say(f"The checkpoint is {inspection.form.label}: network and weights in one file.")
    for number, candidate in enumerate(inspection.candidates if inspection.tensors else (), start=1):
        fit = f": {candidate.fit.text}" if candidate.fit is not None else ""
        say(f"{number}  {candidate.architecture}{fit}")
        for note in candidate.notes:
            say(f"   {note}")
    for warning in inspection.warnings:
        complain(f"warning: {warning}")


def _candidate(options: argparse.Namespace, inspection: Inspection, asker: Asker) -> tuple[Candidate, dict[str, bytes]]:
    """Which network it is taken for, and the user's own code for it."""
    fitting = [candidate for candidate in inspection.candidates if candidate.complete]

    def read(text: str) -> Candidate:
        if text.isdigit() and 0 < int(text) <= len(inspection.candidates):
            return inspection.candidates[int(text) - 1]
        listed = (
            one for one in inspection.candidates if text in (one.architecture, one.architecture.partition(":")[2])
        )
        return next(listed, replace(inspection.outline, architecture=text))

    if options.architecture:
        name, code = own_file(options.architecture)
        chosen = read(name)
    elif len(fitting) == 1 or (fitting and not asker.asks):
        chosen, code = fitting[0], {}
    else:
        question = "Which architecture is it (a number of the list, or a name as in model.toml)"
        chosen = asker.ask("--architecture", question, "1" if fitting else None, read)
        name, code = own_file(chosen.architecture)
        chosen = replace(chosen, architecture=name)
    chosen = replace(chosen, arguments={**chosen.arguments, **read_arguments(options.arguments)})
    return _with_rescaling(chosen, asker), code


def _with_rescaling(candidate: Candidate, asker: Asker) -> Candidate:
    """Inception and GoogLeNet: what their weights do not show must be asked."""
    from saliency_viewer.models.recognition.published import TRANSFORM_INPUT, is_open

    if not is_open(candidate):
        return candidate
    question = "Did its training begin with torchvision's own ImageNet weights, so that the input is rescaled inside"
    read = _one_of("yes", "no")
    if asker.ask(f"--arguments {TRANSFORM_INPUT}=true", f"{question} (yes or no)", "no", read) == "no":
        return candidate
    return replace(candidate, arguments={**candidate.arguments, TRANSFORM_INPUT: True})


def _card(options: argparse.Namespace, inspection: Inspection, candidate: Candidate, asker: Asker) -> ModelCard:
    """The card: what the options say, what is answered, and the usual values."""
    from saliency_viewer.models.making import draft_card

    card = with_options(draft_card(inspection, candidate), options)
    if not options.classes:
        card = _ask_classes(card, candidate.outputs, asker)
    if not options.activation:
        question = "What follows its answer: softmax (one class of several), sigmoid (independent ones), none"
        activation = asker.ask("--activation", question, card.output.activation, _one_of("softmax", "sigmoid", "none"))
        card = replace(card, output=replace(card.output, activation=cast(Any, activation)))
    card = _ask_input(card, options, asker)
    if not options.modality:
        question = "Modalities of the images it was made for, such as CR, DX (empty: any)"
        card = replace(card, modality=asker.ask("--modality", question, "", listed))
    if not options.name and asker.asks:
        card = replace(card, name=asker.ask("--name", "Name of the model", card.name, str.strip))
    return card


def _ask_classes(card: ModelCard, outputs: int, asker: Asker) -> ModelCard:
    count = max(outputs, 2)

    def read(text: str) -> tuple[str, ...]:
        names = listed(text)
        if outputs and len(names) != count:
            raise UserError(f"Names are needed for {count} classes, not for {len(names)}.", "Part them by commas.")
        return names

    question = f"Names of the {count} classes, in the network's order, parted by commas"
    classes = asker.ask("--classes", question, ", ".join(card.output.classes), read)
    return replace(card, output=replace(card.output, classes=classes))


def _ask_input(card: ModelCard, options: argparse.Namespace, asker: Asker) -> ModelCard:
    from saliency_viewer.models.making import INTENSITIES, intensity_name, intensity_steps

    spec = card.input
    if not spec.size and not spec.spatial and spec.fit != "none":
        in_space = spec.layout == "3d"
        question = f"Size of the network's input ({'slices, ' if in_space else ''}rows, columns)"
        usual = _VOLUME_SIZE if in_space else _PLANE_SIZE
        spec = replace(spec, size=asker.ask("--size", question, usual, _sizes(3 if in_space else 2), guess=in_space))
    if not options.intensity and not options.transforms:
        names = ", ".join(name for name, _, _ in INTENSITIES)
        question, usual = f"Intensity steps of its training ({names})", intensity_name(spec.intensity, spec.channels)
        steps = asker.ask("--intensity", question, usual, lambda text: intensity_steps(text, spec.channels))
        spec = replace(spec, intensity=steps)
    return replace(card, input=spec)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise UserError(f"'{text}' is none of them.", f"Choose one of: {', '.join(allowed)}.")
        return text

    return read


def _sizes(count: int) -> Callable[[str], tuple[int, ...]]:
    def read(text: str) -> tuple[int, ...]:
        parts = text.replace(",", " ").replace("x", " ").split()
        if len(parts) != count or not all(part.isdigit() and int(part) > 0 for part in parts):
            raise UserError(f"'{text}' is no size.", f"Write {count} whole numbers, parted by spaces.")
        return tuple(int(part) for part in parts)

    return read
