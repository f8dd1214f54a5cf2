"""Looking through the source in a TorchScript archive before torch loads it."""

from __future__ import annotations

import io
import re
import tokenize
import zipfile
from collections.abc import Iterator

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import member_bytes
from saliency_viewer.models.programs.aten import is_harmless, quantised
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.runtime.memory import require_memory

_WHAT = "a TorchScript program"
_MOST_SOURCE = 2**26  # bytes; a network of a thousand layers has less than one of them in a hundred
_REMOTE = re.compile("rpc|fork|await|Print|Python")
_LOADING = "__setstate__"


def require_harmless(content: bytes) -> None:
    """Raise :class:`UserError` unless the archive's source calls nothing but operators on tensors and numbers."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise damaged(_WHAT, error) from error
    members = archive.infolist()
    require_memory(sum(member.file_size for member in members), "The TorchScript program")
    sources = [member for member in members if "/code/" in member.filename and member.filename.endswith(".py")]
    if not sources or not any(member.filename.endswith("/constants.pkl") for member in members):
        raise _of_another_kind([member.filename for member in members])
    if sum(member.file_size for member in sources) > _MOST_SOURCE:
        raise damaged(_WHAT, ValueError("far too much source"))
    for member in sources:
        _look_through(member_bytes(archive, member.filename))


def _of_another_kind(names: list[str]) -> UserError:
    if any(name.endswith("/models/model.json") for name in names):
        return UserError("The file is a program of torch.export.", 'Write architecture = "exported".')
    if any(name.endswith("/data.pkl") for name in names):
        hint = "Name the network that they belong to as the architecture, such as torchvision:densenet121."
        return UserError("The file is a list of weights, not a TorchScript program.", hint)
    return damaged(_WHAT, ValueError("no source in the archive"))


def _look_through(source: bytes) -> None:
    try:
        words = list(_words(source))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise damaged(_WHAT, error) from error
    if _LOADING in words:
        raise UserError(
            "The TorchScript program brings code of its own that runs while it is loaded (as quantised ones do), so it "
            "was not loaded.",
            "Export the float32 network with torch.export, or save its state dict.",
        )
    for position in range(len(words) - 2):
        if position == 0 or words[position - 1] != ".":
            _look_at(words[position : position + 5])


def _look_at(words: list[str]) -> None:
    """``torch.name`` and ``ops.namespace.name`` are operators, ``__torch__.torch.classes`` objects of compiled code."""
    if words[:2] == ["torch", "."]:
        namespace, name = "aten", words[2]
    elif words[:2] == ["ops", "."] and len(words) == 5 and words[3] == ".":
        namespace, name = words[2], words[4]
    elif words == ["__torch__", ".", "torch", ".", "classes"]:
        namespace, name = "torch", "classes"
    else:
        return
    harmless = is_harmless(name) if namespace == "aten" else namespace == "prim" and not _REMOTE.match(name)
    if quantised(namespace, name) or not harmless:
        raise UserError(
            f"The TorchScript program calls '{namespace}::{name}', which this program does not run, so it was not "
            "loaded.",
            "Export the float32 network with torch.export without this operator, or save its state dict.",
        )


def _words(source: bytes) -> Iterator[str]:
    """Names and signs, without comments and line ends."""
    passed = (tokenize.NAME, tokenize.OP)
    return (token.string for token in tokenize.tokenize(io.BytesIO(source).readline) if token.type in passed)
