"""The zip archive of an exported program: its graph as JSON and its tensors as bytes."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import DAMAGE, member_bytes
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.models.weights import stored, unwrapped

_MODEL = "models/model.json"
_PACKAGES = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_TORCH_FILES = (  # tensors as torch.save writes them, by torch 2.8 and by 2.7 and older
    ("data/weights/model.pt", "data/constants/model.pt"),
    ("serialized_state_dict.pt", "serialized_constants.pt"),
)
_OLD_MODEL = "serialized_exported_program.json"

# Numbers of torch._export.serde.schema.ScalarType.
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}


class Archive:
    """Reads an archive. Raises :class:`UserError` for whatever is none, is damaged, or could run code."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except DAMAGE as error:
            raise damaged("an exported program", error) from error
        if min((member.header_offset for member in self._zip.infolist()), default=1):
            # The end is missing, and what was found is the end of an archive inside.
            raise damaged("an exported program", zipfile.BadZipFile("no end"))
        names = self._zip.namelist()
        found = next((name for name in names if name.endswith(("/" + _MODEL, "/" + _OLD_MODEL))), "")
        self._top = found.removesuffix(_MODEL).removesuffix(_OLD_MODEL)
        self._names = {name.removeprefix(self._top) for name in names if name.startswith(self._top)}
        if not self._names & {_MODEL, _OLD_MODEL}:
            raise self._of_another_kind(names)

    def program(self) -> dict[str, Any]:
        """The graph with its signature, as written."""
        found = self._json(_MODEL if _MODEL in self._names else _OLD_MODEL)
        major = found.get("schema_version", {})
        major = major.get("major") if isinstance(major, dict) else None
        if not isinstance(major, int) or not 5 <= major <= 8:
            raise UserError(
                "The exported program was written in a format that this program does not know.",
                "Export it again with torch 2.5 to 2.15.",
                f"schema version {major}",
            )
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Every weight, buffer and constant by its name, in its own precision."""
        found: dict[str, Tensor] = {}
        for config in _PACKAGES:
            if config in self._names:
                found |= self._packaged(config)
        for pair in _TORCH_FILES:
            for name in pair:
                if name in self._names:
                    found |= _saved(self._read(name))
        return found

    def _packaged(self, config: str) -> dict[str, Tensor]:
        entries = self._json(config).get("config", {})
        folder = config.rpartition("/")[0]
        files: dict[str, bytearray] = {}
        found: dict[str, Tensor] = {}
        for name, entry in entries.items():
            path = str(entry["path_name"])
            if entry.get("use_pickle") or path.startswith(("custom_obj", "opaque_obj")):
                raise UserError(
                    f"The exported program keeps '{name}' as a pickled Python object, which could run any code, so it "
                    "was not opened.",
                    "Export a network that has plain tensors only, and no custom objects.",
                )
            if path not in files:
                files[path] = bytearray(self._read(f"{folder}/{path}"))
            found[str(name)] = _tensor(str(name), files[path], entry["tensor_meta"])
        return found

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._read(name))
        except (ValueError, RecursionError) as error:
            raise damaged("an exported program", error) from error
        if not isinstance(found, dict):
            raise damaged("an exported program", TypeError(f"{name} is a {type(found).__name__}"))
        return found

    def _read(self, name: str) -> bytes:
        return member_bytes(self._zip, self._top + name)

    @staticmethod
    def _of_another_kind(names: list[str]) -> UserError:
        if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
            return UserError("The file is a TorchScript program.", 'Write architecture = "torchscript".')
        if any(name.endswith((".so", ".cubin", ".wrapper.cpp")) for name in names):
            return UserError(
                "The file is compiled machine code (AOTInductor), which is not run.",
                "Save the program itself: torch.export.save(program, 'model.pt2').",
            )
        if any(name.rpartition("/")[2] == "data.pkl" for name in names):
            hint = "Name the network that they belong to as the architecture, such as torchvision:densenet121."
            return UserError("The file is a list of weights, not an exported program.", hint)
        return damaged("an exported program", ValueError("no graph in the archive"))


def _saved(content: bytes) -> dict[str, Tensor]:
    """Tensors as torch.save writes them; an empty file is sound, as there may be no constants."""
    raw = stored(content)
    return {} if isinstance(raw, Mapping) and not raw else unwrapped(raw)


def _tensor(name: str, content: bytearray, meta: dict[str, Any]) -> Tensor:
    """The view that ``meta`` describes, after a look at whether it lies inside the bytes."""
    dtype = DTYPES.get(meta["dtype"])
    if dtype is None or meta.get("layout", 7) != 7:
        raise UserError(
            f"The weight '{name}' of the exported program is of a kind that is not read (complex, sparse).",
            "Convert the network to float32 before exporting it.",
        )
    sizes, strides = ([_whole(number) for number in meta[key]] for key in ("sizes", "strides"))
    offset = _whole(meta["storage_offset"])
    if len(sizes) != len(strides) or min([*sizes, *strides, offset]) < 0:
        raise damaged("an exported program", ValueError(f"the layout of {name}"))
    held = len(content) // dtype.itemsize
    needed = offset + 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    # A stride of zero repeats an element; hardly any memory is then needed until it is copied.
    if 0 not in sizes and (needed > held or math.prod(sizes) > held):
        raise UserError(
            f"The weight '{name}' of the exported program is larger than what the file holds for it.",
            "Copy or download the file again.",
        )
    if 0 in sizes:
        return torch.empty(sizes, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype, count=held).as_strided(sizes, strides, offset)


def _whole(number: dict[str, Any]) -> int:
    found = number.get("as_int")
    if not isinstance(found, int) or isinstance(found, bool):
        raise damaged("an exported program", TypeError("a size that is no number"))
    return found
