"""From the bytes of an ONNX file to a program."""

from __future__ import annotations

import posixpath

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.faults import MISTAKES, damaged
from saliency_viewer.models.programs.onnx_reading.external import Read
from saliency_viewer.models.programs.onnx_reading.file import OnnxFile
from saliency_viewer.models.programs.onnx_reading.operators import HANDLERS
from saliency_viewer.models.programs.onnx_reading.reader import Reader, input_of
from saliency_viewer.models.programs.steps import Program


def read_onnx(content: bytes, name: str, read: Read, wanted: tuple[int, ...]) -> tuple[Program, tuple[int, ...]]:
    """The program in an ONNX file, and the shape of the example with which it was read.

    Parameters
    ----------
    content:
        The file.
    name:
        Its name in the package.
    read:
        Gives the bytes of another file of the package.
    wanted:
        (N, ...) shape of the input that the package describes, for sizes that the file leaves open.

    Raises
    ------
    UserError
        For damaged files, operators that are not supported, and inputs that are not as the package says.
    """
    file = OnnxFile(content, posixpath.dirname(name), read)
    input_name, declared = input_of(file)
    shape = _shape(declared, wanted)
    try:
        return Reader(file, shape, HANDLERS).program(input_name), shape
    except MISTAKES as error:
        raise damaged("an ONNX network", error) from error


def _shape(declared: list[int | None], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The declared shape, with open sizes as the package wants them and one image where the batch is open."""
    if not declared:
        return wanted
    differs = len(declared) != len(wanted) or any(
        have not in (None, want) for have, want in zip(declared[1:], wanted[1:], strict=True)
    )
    if differs:
        have, want = (
            " x ".join("any" if size is None else str(size) for size in sizes) for sizes in (declared, wanted)
        )
        raise UserError(
            f"The ONNX network takes an input of {have}, and model.toml describes {want} (sample, channels, size).",
            'Correct input.channels and input.size in model.toml; channels at the end are order = "channels_last".',
        )
    return (declared[0] or 1, *wanted[1:])
