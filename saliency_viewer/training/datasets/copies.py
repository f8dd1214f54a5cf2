"""Images that stand in a data set twice, by name or by what they show, and what that means for its patients."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from saliency_viewer.errors import UserError
from saliency_viewer.readers.tree import files_below
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets.headers import Looked
from saliency_viewer.training.datasets.problems import TWO_LABELLED_COPIES, TWO_LABELS, UNREADABLE, Problems, places

_PIECE = 2048  # bytes
_REACH = 0.75  # of a file, from its end; further forward the header may begin


def without_repeats(cases: Sequence[Looked], problems: Problems) -> tuple[list[Looked], list[str]]:
    """Each image file once; rows that repeat it must agree on its label. Returns the cases and what to say."""
    kept: dict[tuple[str, str | None], Looked] = {}
    joined: list[tuple[Looked, Looked]] = []
    repeated: list[int] = []
    for one in cases:
        reference = one.listed.case.image
        first = kept.setdefault((str(Path(reference.path).resolve()), reference.series), one)
        if first is one:
            continue
        if first.listed.case.label != one.listed.case.label:
            problems.add(TWO_LABELS, one.listed.row)
        repeated.append(one.listed.row)
        joined.append((first, one))
    words = []
    if repeated:
        verb = "row repeats" if len(repeated) == 1 else "rows repeat"
        words.append(f"{len(repeated):,} {verb} an image and count once: {places(repeated)}.")
    return _as_one_patient(list(kept.values()), joined), words


def with_copies_joined(
    cases: Sequence[Looked], published: bool, problems: Problems, context: RunContext
) -> tuple[list[Looked], list[str]]:
    """Cases in which copies of one picture belong to one patient, so that no split can part them.

    Files are compared by samples of their pixels' bytes, and those that agree by all of their pixels. Copies with
    different labels are a problem; of ``published`` sets, which nobody can mend, all of them are left out.
    """
    pairs: list[tuple[Looked, Looked]] = []
    contrary: dict[int, Looked] = {}
    for group in _same_pictures(cases, problems, context):
        pairs += [(group[0], other) for other in group[1:]]
        if len({one.listed.case.label for one in group}) > 1:
            contrary |= {one.listed.row: one for one in group}
    words = []
    parted = sorted(second.listed.row for first, second in pairs if _patient(first) != _patient(second))
    if parted:
        words.append(f"{_many(parted)} listed under another patient; both count as one person: {places(parted)}.")
    if contrary and published:
        rows = sorted(contrary)
        words.append(f"{_many(rows)} there with another label too; all are left out: {places(rows)}.")
        cases = [one for one in cases if one.listed.row not in contrary]
    else:
        for row in contrary:
            problems.add(TWO_LABELLED_COPIES, row)
    return _as_one_patient(cases, pairs), words


def _many(rows: Sequence[int]) -> str:
    return f"{len(rows):,} image is" if len(rows) == 1 else f"{len(rows):,} images are"


def _patient(one: Looked) -> str:
    return one.listed.case.patient


def _as_one_patient(cases: Sequence[Looked], pairs: Iterable[tuple[Looked, Looked]]) -> list[Looked]:
    """The cases with the patients of each pair under the name of one of them."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    for first, second in pairs:
        # The lesser name stands for both, so that the order of the rows changes nothing.
        low, high = sorted((root(_patient(first)), root(_patient(second))))
        parent[high] = low
    return [_of_patient(one, root(_patient(one))) for one in cases]


def _of_patient(one: Looked, patient: str) -> Looked:
    if patient == _patient(one):
        return one
    return replace(one, listed=one.listed.with_patient(patient))


def _same_pictures(cases: Sequence[Looked], problems: Problems, context: RunContext) -> list[list[Looked]]:
    """Groups of two and more cases of the very same pixels."""
    samples: dict[str, list[Looked]] = {}
    for done, one in enumerate(cases):
        if done % 16 == 0:
            context.report(done / len(cases), f"Looking for copies: {done:,} of {len(cases):,}")
        samples.setdefault(_sample(one), []).append(one)
    groups = []
    for alike in samples.values():
        if len(alike) > 1:
            groups += _equal(alike, problems, context)
    return groups


def _equal(alike: Sequence[Looked], problems: Problems, context: RunContext) -> list[list[Looked]]:
    found: dict[str, list[Looked]] = {}
    for one in alike:
        context.check()
        try:
            array = one.series.load(context.part(0, 0)).array
        except UserError as error:
            problems.add(UNREADABLE, one.listed.row, error.message)
            continue
        digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
        found.setdefault(digest.hexdigest(), []).append(one)
    return [group for group in found.values() if len(group) > 1]


def _sample(one: Looked) -> str:
    """A digest of pieces of the file, or of three files of a folder."""
    path = Path(one.listed.case.image.path)
    digest = hashlib.sha256(f"{one.shape}{one.listed.case.image.series}".encode())
    files = [path] if path.is_file() else list(files_below(path, RunContext()))
    for number in sorted({0, len(files) // 2, len(files) - 1}) if files else ():
        digest.update(_pieces(files[number]))
    return digest.hexdigest()


def _pieces(path: Path) -> bytes:
    """Pieces at distances from the end of a file that double; copies of an image differ in the header before it."""
    found: list[bytes] = []
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            before = _PIECE
            while not found or before <= _REACH * size:
                stream.seek(-min(before, size), os.SEEK_END)
                found.append(stream.read(_PIECE))
                before *= 2
    except OSError:  # gone since; reading it will say so
        return b""
    return b"".join(found)
