"""A TorchScript archive with nothing in it but what was looked at.

Torch has a zip reader of its own, which takes other members than Python's in archives made for that: it does not tell
upper from lower case, and finds the table of contents its own way. So it is given an archive that is written anew.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import DAMAGE, member_bytes
from saliency_viewer.models.programs.faults import damaged
from saliency_viewer.models.programs.torchscript import pickled, source
from saliency_viewer.runtime.memory import require_memory

_MOST_SOURCE = 2**26  # bytes; a network of a thousand layers has less than one of them in a hundred
_KEPT = re.compile(r"data\.pkl|constants\.pkl|(data|constants)/[^/]+|(\.data/)?version|byteorder|code/[^.]+\.py")


def harmless_copy(content: bytes) -> bytes:
    """The archive anew, with the source and pickles that were looked through, and with tensors.

    Raises :class:`UserError` for whatever is no TorchScript program, is damaged, or does more than to compute.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except DAMAGE as error:
        raise damaged(source.WHAT, error) from error
    members = archive.infolist()
    require_memory(sum(member.file_size for member in members), "The TorchScript program")
    program = next((name for name in archive.namelist() if name.endswith("/constants.pkl")), "")
    top = program.removesuffix("constants.pkl")
    names = [name.removeprefix(top) for name in archive.namelist() if name.startswith(top)]
    kept = [name for name in names if _KEPT.fullmatch(name)]
    if not program or not any(name.endswith(".py") for name in kept):
        raise _of_another_kind(archive.namelist())
    if len({name.lower() for name in kept}) < len(kept):
        raise damaged(source.WHAT, ValueError("a name twice in the archive"))
    _look_through(archive, top, kept)
    return _written(archive, top, kept)


def _look_through(archive: zipfile.ZipFile, top: str, names: list[str]) -> None:
    sizes = {name: archive.getinfo(top + name).file_size for name in names}
    written = [name for name in names if name.endswith(".py")]
    if sum(sizes[name] for name in written) > _MOST_SOURCE:
        raise damaged(source.WHAT, ValueError("far too much source"))
    for name in written:
        source.look_through(member_bytes(archive, top + name))
    for name in ("data", "constants"):
        content = member_bytes(archive, f"{top}{name}.pkl")
        pickled.look_through(content, _stored(sizes, f"{name}/"))


def _stored(sizes: Mapping[str, int], folder: str) -> dict[str, int]:
    return {name.removeprefix(folder): size for name, size in sizes.items() if name.startswith(folder)}


def _written(archive: zipfile.ZipFile, top: str, names: list[str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as anew:
        for name in names:
            anew.writestr(f"archive/{name}", member_bytes(archive, top + name))
    return written.getvalue()


def _of_another_kind(names: list[str]) -> UserError:
    if any(name.endswith(("/models/model.json", "serialized_exported_program.json")) for name in names):
        return UserError("The file is a program of torch.export.", 'Write architecture = "exported".')
    if any(name.endswith("/data.pkl") for name in names):
        hint = "Name the network that they belong to as the architecture, such as torchvision:densenet121."
        return UserError("The file is a list of weights, not a TorchScript program.", hint)
    return damaged(source.WHAT, ValueError("no source in the archive"))
