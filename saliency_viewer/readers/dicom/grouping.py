"""Images to series: what belongs together in a folder, whoever put it there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saliency_viewer.domain import Series
from saliency_viewer.readers.dicom.calibration import PROJECTIONS
from saliency_viewer.readers.dicom.frames import frame_count
from saliency_viewer.readers.dicom.header import numbers, text
from saliency_viewer.readers.dicom.scan import Entry

# Pictures of these kinds stand alone unless they say where they lie.
_ALONE = (*PROJECTIONS, "US", "IVUS", "OCT", "OPT", "OP", "ES", "GM", "SM", "DG")
_COMPARED = 2**20  # bytes at the end of two files
_MOST_COMPARED = 4  # files of one UID
_KINDS = ("SeriesNumber", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation")


@dataclass(eq=False)
class FileGroup:
    """Files of one series that can be one volume or several of one size; ``copies`` of them were left out."""

    entries: list[Entry] = field(default_factory=list)
    copies: int = 0
    _seen: dict[str, list[Path]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take a file, unless it is the same image again, as when a medium was copied into a folder twice.

        Some anonymisers give every image one UID, so the files' ends must agree too.
        """
        instance = text(entry.header, "SOPInstanceUID")
        known = self._seen.setdefault(instance, [])
        if instance and any(_same_end(entry.path, other) for other in known):
            self.copies += 1
            return
        if len(known) < _MOST_COMPARED:
            known.append(entry.path)
        self.entries.append(entry)


def _same_end(first: Path, second: Path) -> bool:
    """Whether two files are equally long and end in the same pixels."""
    try:
        with first.open("rb") as one, second.open("rb") as other:
            size = one.seek(0, os.SEEK_END)
            if size != other.seek(0, os.SEEK_END):
                return False
            start = max(0, size - _COMPARED)
            one.seek(start)
            other.seek(start)
            return one.read() == other.read()
    except OSError:
        return False


def grouped(entries: list[Entry]) -> list[FileGroup]:
    """Files by series and kind of image."""
    found: dict[tuple[str, ...], FileGroup] = {}
    for entry in entries:
        found.setdefault(_key(entry), FileGroup()).add(entry)
    return [part for key, group in found.items() for part in _apart(group, bool(key[-1]))]


def _apart(group: FileGroup, alone: bool) -> list[FileGroup]:
    """Pictures that stand alone, each for itself even where several have one UID; parts of a concatenation together."""
    together = not alone or bool(text(group.entries[0].header, "ConcatenationUID"))
    if together or len(group.entries) < 2:
        return [group]
    return [FileGroup([entry]) for entry in group.entries]


def _key(entry: Entry) -> tuple[str, ...]:
    header = entry.header
    instance = text(header, "SOPInstanceUID") or str(entry.path)
    series = text(header, "SeriesInstanceUID") or _without_uid(header, instance)
    who = text(header, "PatientID") or text(header, "PatientName")
    kinds = (text(header, keyword) for keyword in _KINDS)
    # As numbers: 0.5 and 0.50 are one spacing, and so are those that differ in the last digits.
    spacing = " ".join(f"{one:.4g}" for one in numbers(header, "PixelSpacing"))
    mosaic = "mosaic" if "MOSAIC" in text(header, "ImageType").upper() else ""
    return (who, text(header, "StudyInstanceUID"), series, *kinds, spacing, mosaic, _alone(header, instance))


def _without_uid(header: Any, instance: str) -> str:
    """Slices whose files lost their series' UID belong together by what is left."""
    if len(numbers(header, "ImagePositionPatient")) != 3:
        return instance
    return "|".join((text(header, "FrameOfReferenceUID"), text(header, "Modality"), text(header, "SeriesDescription")))


def _alone(header: Any, instance: str) -> str:
    """What keeps a picture out of a stack with others: empty for slices."""
    if frame_count(header) > 1:
        return text(header, "ConcatenationUID") or instance
    located = len(numbers(header, "ImagePositionPatient")) == 3
    return instance if not located and text(header, "Modality") in _ALONE else ""


def labelled(series: list[Series], headers: list[Any]) -> list[Series]:
    """Pictures that stand alone in one series are told apart by view, or by their place in it."""
    by_uid: dict[str, list[int]] = {}
    for k, one in enumerate(series):
        by_uid.setdefault(one.uid, []).append(k)
    result = list(series)
    for members in by_uid.values():
        if len(members) < 2 or len({id(headers[k]) for k in members}) < len(members):
            continue  # alone, or stacks of one set of files, which have their labels
        for place, k in enumerate(sorted(members, key=lambda k: numbers(headers[k], "InstanceNumber")), start=1):
            words = _view(headers[k]) or f"image {place} of {len(members)}"
            result[k] = replace(series[k], description=" · ".join(filter(None, (series[k].description, words))))
    return result


def _view(header: Any) -> str:
    side = text(header, "ImageLaterality") or text(header, "Laterality")
    return " ".join(word for word in (side, text(header, "ViewPosition")) if word)


def with_groups(series: list[Series]) -> list[Series]:
    """Series with the patient and study that they belong to, where there are several of them."""
    patients: dict[str, dict[str, int]] = {}
    for one in series:
        studies = patients.setdefault(_who(one), {})
        studies.setdefault(one.study_uid, len(studies) + 1)
    if len(patients) < 2 and all(len(studies) < 2 for studies in patients.values()):
        return series
    numbers_of = {who: number for number, who in enumerate(patients, start=1)}
    result = []
    for one in series:
        studies = patients[_who(one)]
        words = [f"patient {numbers_of[_who(one)]}"] if len(patients) > 1 else []
        words += [f"study {studies[one.study_uid]}"] if len(studies) > 1 else []
        result.append(replace(one, group=", ".join(words)))
    return result


def _who(series: Series) -> str:
    return series.identity.patient_id or series.identity.patient_name


def numbered(series: list[Series]) -> tuple[Series, ...]:
    """Series by patient and study in the order of their numbers, each number once, each UID once."""
    numbers_taken, uids = _Free(), UniqueUids()
    result = []
    for one in sorted(series, key=lambda s: (s.group, s.number)):
        result.append(replace(one, number=numbers_taken.next(max(1, one.number)), uid=uids.free(one.uid)))
    return tuple(result)


class _Free:
    """Gives every number once, the wished one or the next; looks at none twice."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def next(self, wish: int) -> int:
        """The least free number from ``wish`` on."""
        path, number = [], wish
        while number in self._next:
            path.append(number)
            number = self._next[number]
        for passed in (*path, number):
            self._next[passed] = number + 1
        return number


class UniqueUids:
    """Gives every UID once: the second one becomes ``UID#2``."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def free(self, uid: str) -> str:
        """``uid``, with its number when it was given before."""
        self._count[uid] = count = self._count.get(uid, 0) + 1
        return uid if count == 1 else f"{uid}#{count}"
