"""Weights that an ONNX file keeps in other files beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.files import PackageFiles
from saliency_viewer.models.programs.faults import damaged

Read = Callable[[str], bytes]
EXTERNAL = 1  # onnx.TensorProto.EXTERNAL


class ExternalData:
    """The data files of one ONNX file, each read once.

    Parameters
    ----------
    folder:
        Where the ONNX file lies in its package: other files are named from there.
    read:
        Gives the bytes of a file of the package by its name.
    """

    def __init__(self, folder: str, read: Read) -> None:
        self._folder = folder
        self._read = read
        self._files: dict[str, bytes] = {}

    def of(self, proto: Any, size: int) -> bytes:
        """The ``size`` bytes of one tensor. Raises :class:`UserError` when they are not there, or others."""
        entries = {entry.key: entry.value for entry in proto.external_data}
        location = entries.get("location", "")
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries.get("length") or size)
        except ValueError as error:
            raise damaged("an ONNX network", error) from error
        content = self._beside(location)
        if offset < 0 or length != size or offset + length > len(content):
            raise UserError(
                f"The tensor '{proto.name or 'a constant'}' of the ONNX file lies outside of the data file "
                f"'{posixpath.basename(location)}', or has another length there.",
                "Copy both files again; they must come from the same export.",
            )
        return content[offset : offset + length]

    def _beside(self, location: str) -> bytes:
        place = posixpath.normpath(posixpath.join(self._folder, location.replace("\\", "/")))
        if not location or posixpath.isabs(place) or place.split("/")[0] == ".." or ":" in place.split("/")[0]:
            raise outside()
        if place not in self._files:
            self._files[place] = self._read(place)
        return self._files[place]


def inside_of(files: PackageFiles) -> Read:
    """Reads files of the package; those that are links to elsewhere the ONNX file has no business with."""

    def read(name: str) -> bytes:
        if not files.inside(name):
            raise outside()
        if not files.has(name):
            raise UserError(
                f"The ONNX file keeps weights in the file '{name}', which is not there.",
                "Copy both files, under the names that they were exported with.",
            )
        return files.read(name)

    return read


def outside() -> UserError:
    """The error for data that lies elsewhere."""
    return UserError(
        "The ONNX file looks for data outside of the model package, which is not read.",
        "Put the data file itself, not a link to it, beside the ONNX file, and export with a relative location.",
    )


def tensors_in(graph: Any) -> Iterator[Any]:
    """Every ``TensorProto`` of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from tensors_in(inner)
