"""The decoders' own process: reads requests, answers with pictures. See ``runtime/isolated.py`` for the protocol."""

from __future__ import annotations

import contextlib
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
    with contextlib.suppress(BrokenPipeError):
        _write(answers, {"ready": True})
        opened: dict[str, Pictures] = {}
        for line in sys.stdin.buffer:
            request = json.loads(line)
            _answer(answers, request["path"], request["indices"], opened)
    return 0


def _answer(answers: BinaryIO, path: str, indices: list[int], opened: dict[str, Pictures]) -> None:
    try:
        if path not in opened:
            opened.clear()
            opened[path] = Pictures.of(Path(path))
        _limit_memory(opened[path].decoded_bytes * _COPIES)
        found = [opened[path].decode(index) for index in indices]
        stacked: NDArray[Any] = np.ascontiguousarray(np.stack(found))
    except UserError as error:
        _write(answers, {"error": error.message, "detail": error.detail})
        return
    except Exception as error:  # decoders raise whatever they like
        opened.clear()
        _write(answers, {"error": "", "detail": type(error).__name__})
        return
    line = {"dtype": stacked.dtype.newbyteorder("=").str, "shape": stacked.shape, "bytes": stacked.nbytes}
    _write(answers, line, stacked)


def _write(answers: BinaryIO, line: dict[str, Any], data: NDArray[Any] | None = None) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    if data is not None:
        answers.write(memoryview(data.data).cast("B"))
    answers.flush()


def _limit_memory(needed: int) -> None:
    """Let an allocation beyond what the pictures can need fail, instead of the whole machine."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + needed + _MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
