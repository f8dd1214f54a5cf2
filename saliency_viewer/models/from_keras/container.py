"""What is inside a Keras file, by its content and not by its suffix: the network's description and its weights."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.from_keras.hdf5 import check_hdf5

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_VERSION = "keras_version"
_LARGEST_CONFIG = 64 * 2**20
_LARGEST_WEIGHTS = 16 * 2**30
_PACKING = 100  # weights hardly pack at all; beyond a GiB more than this is an attack
_SAVE_WHOLE = "Save the whole network, with model.save('network.keras')."


@dataclass(frozen=True)
class KerasFile:
    """``config``: the network as Keras describes it; ``weights``: an HDF5 file.

    ``legacy``: the weights are laid out by layer names, as Keras 2 and the .h5 files of Keras 3 do. ``old``: Keras 2
    or 1 wrote the file, to which some names meant something else.
    """

    config: Mapping[str, Any]
    weights: bytes = field(repr=False)
    legacy: bool
    old: bool = False


def open_keras(content: bytes, config: bytes | None = None) -> KerasFile:
    """Take a Keras file apart in memory; nothing is unpacked and no code is run.

    Parameters
    ----------
    content:
        A ``.keras`` archive, an ``.h5`` file of Keras 2 or 3, or the weights alone.
    config:
        For weights alone: the description that ``model.to_json()`` gave.

    Raises
    ------
    UserError
        For what is none of them, and for files that lead out of themselves.
    """
    if content.startswith(_ZIP):
        found, weights, metadata = _archive(content)
        legacy = "layer_names" in _checked_weights(weights)
        return KerasFile(_json(found), weights, legacy, _is_old(_json(metadata).get(_VERSION), False))
    if not content.startswith(_HDF5):
        raise _damaged("neither a zip archive nor HDF5")
    attributes = _checked_weights(content)
    text = config if config is not None else attributes.get("model_config")
    if text is None:
        raise UserError(
            "The Keras file holds weights only, without the network.",
            _SAVE_WHOLE + " Or put the text of model.to_json() into the package and write its name into model.toml: "
            'arguments = { config = "network.json" }.',
        )
    described, legacy = _json(text), "layer_names" in attributes
    return KerasFile(
        described, content, legacy, _is_old(attributes.get(_VERSION, described.get(_VERSION)), unknown=legacy)
    )


def _is_old(version: Any, unknown: bool) -> bool:
    """Whether it is a version before 3; ``unknown`` where none is written."""
    text = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    major = text.partition(".")[0]
    return int(major) < 3 if major.isdecimal() else unknown


def _archive(content: bytes) -> tuple[bytes, bytes, bytes]:
    """The members that count; names that climb out of the archive are of no use to anyone here."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            metadata = _member(archive, _METADATA, _LARGEST_CONFIG) if _METADATA in archive.namelist() else b"{}"
            return _member(archive, _CONFIG, _LARGEST_CONFIG), _member(archive, _WEIGHTS, _LARGEST_WEIGHTS), metadata
    except UserError:
        raise
    except Exception as error:  # zipfile's, zlib's, lzma's and struct's errors share no class
        raise _damaged(f"{type(error).__name__}: {error}") from error


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    if name not in archive.namelist():
        raise UserError(f"The file is no Keras network: it has no {name}.", _SAVE_WHOLE)
    member = archive.getinfo(name)
    packed = member.file_size > 2**30 and member.file_size > _PACKING * member.compress_size
    if member.file_size > largest or packed:
        raise UserError(f"{name} in the Keras file is far too large, so it was not opened.", _SAVE_WHOLE)
    return archive.read(member)


def _checked_weights(content: bytes) -> Mapping[str, Any]:
    """The attributes of an HDF5 file that was found to stay within itself, those of ``model_weights`` included."""
    from saliency_viewer.models.from_keras.library import keras_library

    keras_library()  # says what is missing
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            check_hdf5(file, len(content))
            attributes = dict(file.attrs)
            if "model_weights" in file:
                attributes |= dict(file["model_weights"].attrs)
            return attributes
    except UserError:
        raise
    except Exception as error:  # a damaged file makes h5py raise nearly anything
        raise _damaged(f"{type(error).__name__}: {error}") from error


def _json(text: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(str(error)) from error
    if not isinstance(found, dict):
        raise _damaged("the description is no JSON object")
    return found


def _damaged(why: str) -> UserError:
    return UserError(
        "The weights file is damaged, or is no Keras network (.keras or .h5).", "Copy or download it again.", why
    )
