"""Pictures that need a decoder, decoded in other processes on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import transfer_syntax
from saliency_viewer.readers.dicom.payload import DEFLATED
from saliency_viewer.readers.dicom.sources import Source
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.isolated import DECODE_WORKER, Answer, Task, Workers

_MOST_WORKERS = 16
_TASK_BYTES = 8 * 2**20  # decoded bytes of one request, so that a cine is spread over all cores
_MOST_TOGETHER = 256  # pictures of one request
_SECONDS_EACH = 0.01  # for each picture, however small
_SECONDS = 4.0  # for any picture
_BYTES_PER_SECOND = 4 * 2**20  # and more for large ones; the slowest codec, JPEG 2000, does four times this


@cache
def workers() -> Workers:
    """The program's decoders; they start when first asked."""
    return Workers(DECODE_WORKER, min(os.cpu_count() or 1, _MOST_WORKERS))


def decoded(
    sources: list[Source], broken: dict[str, UserError], context: RunContext
) -> Iterator[tuple[Source, int, NDArray[Any]]]:
    """(file, number of the picture, picture) for every picture of ``sources`` that the stack uses.

    Pictures are (row, column), bits as stored, or (row, column, 3) uint8. Files whose pictures cannot be decoded join
    ``broken``.
    """
    tasks = [task for source in sources for task in _tasks(source)]
    if not tasks:
        return
    for task, answer in workers().answers(tasks, context.check):
        source, indices = task.key
        if source.path in broken:
            continue
        error = _error(answer)
        if error is not None:
            broken[source.path] = error
            continue
        pictures = np.frombuffer(answer.data, dtype=answer.line["dtype"]).reshape(answer.line["shape"])
        for index, picture in zip(indices, pictures, strict=True):
            yield source, index, picture


def _tasks(source: Source) -> Iterator[Task]:
    indices = [0] if source.mosaic is not None else list(source.slots)
    size = max(1, int(source.form.plane_bytes))
    step = min(_MOST_TOGETHER, max(1, _TASK_BYTES // size))
    deflated = transfer_syntax(source.header) == DEFLATED
    at_once = size * source.form.frames if deflated else 0
    for start in range(0, len(indices), step):
        part = indices[start : start + step]
        seconds = _SECONDS + len(part) * (_SECONDS_EACH + size / _BYTES_PER_SECOND) + at_once / _BYTES_PER_SECOND
        request = {
            "path": source.path,
            "indices": part,
            "plane_bytes": size * len(part),
            "at_once": at_once,
            "last": start + step >= len(indices),
        }
        yield Task((source, part), request, seconds)


def _error(answer: Answer) -> UserError | None:
    if answer.failure == "timeout":
        return UserError(
            "The pixels of a DICOM file take too long to decode, so they are probably damaged.",
            "Convert the file to an uncompressed transfer syntax, or copy it again from its source.",
        )
    if answer.failure == "unavailable":
        return UserError(
            "Compressed pictures cannot be decoded now: no further process could be started.",
            "Close other programs, and open the series again.",
        )
    if answer.failure or "error" in answer.line:
        detail = answer.line.get("detail", "the decoder stopped")
        message = answer.line.get("error") or (
            "The pixels of a DICOM file cannot be decoded: the file is cut short, damaged, or of an unknown encoding."
        )
        hint = "Copy it again from its source, or convert it to an uncompressed transfer syntax."
        return UserError(str(message), hint, str(detail))
    return None
