"""What kind of file a checkpoint is, by its content: its suffix says little."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import DAMAGE

_HDF5 = b"\x89HDF\r\n\x1a\n"
# ONNX is a protobuf message without a mark of its own: it begins with its version (field 1), then one of these fields.
_ONNX_NEXT = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42})
_LATEST_ONNX = 30


@dataclass(frozen=True)
class Form:
    """A kind of file: the architecture that a card names for it (empty for weights), and its name in a package."""

    architecture: str
    label: str
    file_name: str


WEIGHTS = Form("", "weights", "weights.safetensors")
TORCHSCRIPT = Form("torchscript", "a TorchScript program", "network.pt")
EXPORTED = Form("exported", "a torch.export program", "network.pt2")
ONNX = Form("onnx", "an ONNX network", "network.onnx")
KERAS = Form("keras", "a Keras network", "network.keras")
KERAS_OLD = Form("keras", "a Keras network", "network.h5")


def form_of(content: bytes) -> Form:
    """The form of a file's content; what is not known counts as weights, whose reader says what is wrong.

    Raises :class:`UserError` for a model package, which needs not be made any more.
    """
    if content.startswith(_HDF5):
        return KERAS_OLD
    if content.startswith(b"PK\x03\x04"):
        return _form_of_zip(content)
    head = content[:3]
    if len(head) == 3 and head[0] == 0x08 and 0 < head[1] <= _LATEST_ONNX and head[2] in _ONNX_NEXT:
        return ONNX
    return WEIGHTS


def _form_of_zip(content: bytes) -> Form:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except DAMAGE:  # whoever opens it says that it is damaged
        return WEIGHTS
    ends = {name.rpartition("/")[2] for name in names}
    if "model.toml" in ends:
        raise UserError("This file is a model package already.", "Choose it as the model, or run 'model check' on it.")
    if {"config.json", "metadata.json"} <= ends:
        return KERAS
    if ends & {"archive_format", "serialized_exported_program.json"}:
        return EXPORTED
    # A state dict and a TorchScript program are both torch's zips; code is in the second alone.
    return TORCHSCRIPT if any("/code/" in name for name in names) else WEIGHTS
