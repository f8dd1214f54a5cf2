"""Writing model packages: all or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.files import CARD_NAME, SUMS_NAME, safe_name
from saliency_viewer.runtime.files import make_folder, write_error

if TYPE_CHECKING:
    from torch import Tensor

REPORT_NAME = "report"  # the folder that a training puts beside the weights


def require_package_place(folder: str | Path) -> None:
    """Raise :class:`UserError` unless :func:`write_package` may write there.

    It may where nothing is, in an empty folder, and over a package that this program wrote and to which nobody has
    added anything: what is replaced is gone.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise UserError("A file stands where the package's folder should be.", "Choose another folder.")
    try:
        if target.exists() and target.samefile(Path.cwd()):
            raise UserError(
                "The package cannot be put in the very folder that the program was started in: it replaces its folder "
                "as a whole.",
                "Name a folder inside it.",
            )
        foreign = _foreign(target) if target.is_dir() else []
    except OSError as error:
        raise write_error(error) from error
    if foreign:
        raise UserError(
            "The folder for the package holds other files, which would be lost.", "Choose a new or empty folder."
        )


def _foreign(folder: Path) -> list[str]:
    """Names in a folder that are not those of a package written here: its card, and what its sums list."""
    own = {CARD_NAME, SUMS_NAME}
    sums = folder / SUMS_NAME
    if (folder / CARD_NAME).is_file() and sums.is_file():
        lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
        own |= {line.partition("  ")[2] for line in lines}
        if (folder / REPORT_NAME / "report.json").is_file():
            own.add(REPORT_NAME)
    else:
        own = set()
    return [entry.name for entry in folder.iterdir() if entry.name not in own]


def write_package(
    folder: str | Path,
    card: str | ModelCard,
    state_dict: Mapping[str, Tensor],
    extras: Mapping[str, bytes] | None = None,
) -> None:
    """Write a package folder: ``model.toml``, safetensors weights and their sha256, all or nothing.

    Parameters
    ----------
    folder:
        Where; an older package there is replaced, any other non-empty folder refused.
    card:
        The card or its text, which is kept as it is; ``weights`` must end in ``.safetensors``.
    state_dict:
        The weights, saved in their own precision.
    extras:
        Further files, by name, that stand beside them; they have their sha256 too.
    """
    text = card if isinstance(card, str) else card_to_toml(card)
    name = safe_name(parse_card(text).weights)
    if not name.endswith(".safetensors") or "/" in name:
        raise UserError("New packages hold safetensors weights.", 'Write weights = "weights.safetensors".')
    write_files(folder, package_files(text, name, safetensors_bytes(state_dict), extras))


def safetensors_bytes(state_dict: Mapping[str, Tensor]) -> bytes:
    """Weights as safetensors, each in its own precision."""
    import safetensors.torch

    # Tensors that share memory are written apart, as safetensors wants.
    return safetensors.torch.save({key: value.detach().cpu().contiguous().clone() for key, value in state_dict.items()})


def package_files(card: str, weights: str, content: bytes, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of a package by name: its card, its weights, more, and the sha256 of all but the card."""
    files = {weights: content, **{safe_name(name): data for name, data in (more or {}).items()}}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return {CARD_NAME: card.encode("utf-8"), **files, SUMS_NAME: sums.encode("utf-8")}


def write_files(folder: str | Path, files: Mapping[str, bytes]) -> None:
    """Write a package folder, all or nothing; an older package there is replaced, any other folder refused."""
    require_package_place(folder)
    target = Path(folder)
    try:
        make_folder(target.parent)
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    except OSError as error:
        raise write_error(error) from error
    try:
        _fill(temporary, files)
        _swap(temporary, target)
    except OSError as error:
        raise write_error(error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)  # mkdtemp makes folders private; a package follows the user's mask


def _swap(temporary: Path, target: Path) -> None:
    """Put the finished folder in place; the older package is removed only after that."""
    if not target.exists():
        temporary.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
    target.replace(old)
    try:
        temporary.replace(target)
    except OSError:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
