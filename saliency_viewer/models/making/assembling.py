"""From a checkpoint and a card to the files of a package, in memory: what is checked is what is written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import architecture_of, build_network
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.files import MemoryFiles, is_package, safe_name
from saliency_viewer.models.own_code import Trust
from saliency_viewer.models.package_writing import package_files, require_package_place, safetensors_bytes, write_files
from saliency_viewer.models.recognition.forms import WEIGHTS, form_of
from saliency_viewer.models.weights import load_state, read_state
from saliency_viewer.runtime.files import write_bytes


def package_of(
    content: bytes, card: ModelCard, code: Mapping[str, bytes] | None = None, trust_code: Trust = False
) -> dict[str, bytes]:
    """The files of a package.

    Parameters
    ----------
    content:
        The checkpoint's bytes. Weights are put into the network and written anew, as safetensors without prefixes;
        a program is copied as it is.
    card:
        The card, written as it is but for ``weights``.
    code:
        Python files that a ``python:`` architecture needs, by name.
    trust_code:
        Whether they may run.

    Raises
    ------
    UserError
        When the card is wrong, or the checkpoint does not belong to its architecture.
    """
    text = card_to_toml(card)
    parse_card(text)  # a card that could not be read again must not be written
    name = safe_name(card.weights)
    chosen, _ = architecture_of(card.architecture)
    form = form_of(content)
    if chosen.program != (form is not WEIGHTS):
        written = card.architecture.partition(":")[0]
        raise UserError(
            f"The checkpoint holds {form.label}, which does not go with the architecture '{written}'.",
            f'Write architecture = "{form.architecture}".' if form.architecture else "Choose the network's own name.",
        )
    code = dict(code or {})
    if chosen.program:
        return package_files(text, name, content, code)
    state = read_state(content)
    network = build_network(card.architecture, card.arguments, MemoryFiles(code), state.keys(), trust_code)
    load_state(network, state)
    return package_files(text, name, safetensors_bytes(network.state_dict()), code)


def refuse_place(out: str | Path, replace: bool = False) -> None:
    """Raise :class:`UserError` when no package may be written there, before anybody is asked anything.

    A package that is there already may have been edited since: it is in the way unless ``replace``.
    """
    path = Path(out)
    if not replace and is_package(path):
        raise UserError(
            "A model package is there already, and would be lost.", "Choose another name, or say --replace."
        )
    if path.suffix.lower() == ".zip":
        if path.is_dir():
            raise UserError("A folder stands where the package's zip should be.", "Choose another name.")
    elif path.is_file():
        raise UserError("A file stands where the package's folder should be.", "Choose another name.")
    else:
        require_package_place(path)


def write_new(out: str | Path, files: Mapping[str, bytes]) -> None:
    """Write the files as a folder, or as a zip when ``out`` ends so. Raises :class:`UserError`."""
    path = Path(out)
    if path.suffix.lower() != ".zip":
        write_files(path, files)
        return
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # weights hardly shrink
        for name, content in files.items():
            archive.writestr(name, content)
    write_bytes(path, packed.getvalue())
