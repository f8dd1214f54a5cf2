"""The decoders' own process: reads requests, answers with pictures. See ``runtime/isolated.py`` for the protocol."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.codecs import Pictures

_MEMORY = 2**30  # bytes that a decoder may take besides what the pictures themselves need
_COPIES = 6  # that decoders and colour conversion make of one picture


def serve() -> int:
    """Answer requests until the input ends; returns the exit status."""
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a decoder prints must not mix with the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    importlib.import_module("pydicom.pixels.decoders")  # before the memory of the libraries is counted
    memory = _address_space()
    with contextlib.suppress(BrokenPipeError):
        _write(answers, {"ready": True})
        opened: dict[tuple[Any, ...], Pictures] = {}
        for line in sys.stdin.buffer:
            _answer(answers, json.loads(line), opened, memory)
    return 0


def _answer(answers: BinaryIO, request: dict[str, Any], opened: dict[tuple[Any, ...], Pictures], memory: int) -> None:
    path, indices = Path(request["path"]), request["indices"]
    try:
        # A path can hold another file than before: its time and size tell.
        status = path.stat()
        key = (request["path"], status.st_mtime_ns, status.st_size, status.st_ino)
        # Of a deflated file all pictures unfold at once.
        needed = request["plane_bytes"] * _COPIES + 2 * status.st_size + 2 * request["at_once"]
        _limit_memory(memory + needed + _MEMORY)
        if key not in opened:
            opened.clear()
            opened[key] = Pictures.of(path)
        found = [opened[key].decode(index) for index in indices]
        stacked: NDArray[Any] = np.ascontiguousarray(np.stack(found))
    except UserError as error:
        _write(answers, {"error": error.message, "detail": error.detail})
        return
    except Exception as error:  # decoders raise whatever they like
        opened.clear()
        _write(answers, {"error": "", "detail": type(error).__name__})
        return
    finally:
        if request["last"]:
            opened.clear()
    line = {"dtype": stacked.dtype.newbyteorder("=").str, "shape": stacked.shape, "bytes": stacked.nbytes}
    _write(answers, line, stacked)


def _write(answers: BinaryIO, line: dict[str, Any], data: NDArray[Any] | None = None) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    if data is not None:
        answers.write(memoryview(data.data).cast("B"))
    answers.flush()


def _address_space() -> int:
    """Bytes of addresses that this process has with its libraries alone."""
    if not sys.platform.startswith("linux"):
        return 0
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _limit_memory(limit: int) -> None:
    """Let an allocation beyond what the pictures can need fail, instead of the whole machine."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
