"""Reading single values out of a header, whatever state they are in.

A header is a pydicom data set or a :class:`QuickHeader`; both answer ``get`` and ``in``.
"""

from __future__ import annotations

from typing import Any

from saliency_viewer.domain import Identity
from saliency_viewer.readers.dicom.quick_header import QuickHeader
from saliency_viewer.readers.dicom.tags import private_value_name
from saliency_viewer.readers.dicom.values import finite_numbers, joined_text

BIG_ENDIAN = "1.2.840.10008.1.2.2"
_SIDES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
# What names the patient, the people around, or the visit, besides the four that Identity names.
_IDENTIFYING = (
    *("OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "AccessionNumber"),
    *("StudyID", "ReferringPhysicianName", "PhysiciansOfRecord", "PerformingPhysicianName"),
    *("NameOfPhysiciansReadingStudy", "OperatorsName", "InstitutionName"),
    *("SeriesDate", "AcquisitionDate", "ContentDate"),
)


_LONGEST = 2**20  # bytes; longer texts and numbers are damage, and converting them can take minutes


def value(dataset: Any, keyword: str) -> Any:
    """An attribute as the file holds it; None when absent, endless, or when pydicom cannot convert it."""
    try:
        return None if _is_endless(dataset, keyword) else dataset.get(keyword)
    except Exception:  # pydicom converts late and raises whatever it likes; a broken value is as good as none
        return None


def _is_endless(dataset: Any, keyword: str) -> bool:
    """Whether a text or a list of numbers, not converted yet, is longer than any header's."""
    if not hasattr(dataset, "get_item") or keyword not in dataset:
        return False
    raw = dataset.get_item(keyword)
    if "Sequence" in keyword and raw.VR in (None, "SQ", "UN"):  # None: an implicit file's, which the standard decides
        return False
    return isinstance(raw.value, bytes) and len(raw.value) > _LONGEST


def drop_endless_sign(dataset: Any) -> None:
    """Take an endless pixel representation out, which pydicom converts anew for every value that depends on it."""
    if _is_endless(dataset, "PixelRepresentation"):
        del dataset.PixelRepresentation


def text(dataset: Any, keyword: str) -> str:
    """A string attribute, several values joined by backslashes; empty when absent or unreadable."""
    if isinstance(dataset, QuickHeader):
        return dataset.text(keyword)
    try:
        return joined_text(value(dataset, keyword))
    except Exception:  # the items of a multiple value are converted later still
        return ""


def number(dataset: Any, keyword: str, default: float | None = None) -> float | None:
    """A number attribute (the first of several), ``default`` when absent or not finite."""
    found = numbers(dataset, keyword)
    return found[0] if found else default


def whole(dataset: Any, keyword: str, default: int) -> int:
    """A number attribute as an integer."""
    found = numbers(dataset, keyword)
    return int(found[0]) if found else default


def numbers(dataset: Any, keyword: str) -> tuple[float, ...]:
    """A multi-valued number attribute, empty when absent, malformed or not finite."""
    if isinstance(dataset, QuickHeader):
        return dataset.numbers(keyword)
    try:
        return finite_numbers(value(dataset, keyword))
    except Exception:  # as above: broken numbers in headers are common and must not stop a study
        return ()


def items(dataset: Any, keyword: str) -> tuple[Any, ...]:
    """The items of a sequence, empty when it is absent or no sequence."""
    if dataset is None or isinstance(dataset, QuickHeader):
        return ()
    found = value(dataset, keyword)
    return tuple(found) if found is not None and hasattr(found, "is_undefined_length") else ()


def functional(group: Any, shared: Any, keyword: str) -> Any:
    """The item of a functional group macro: the frame's own, else the shared one, else an empty dictionary."""
    return next(iter(items(group, keyword) or items(shared, keyword)), {})


def shared_groups(dataset: Any) -> Any:
    """The functional groups that all frames share; None when there are none."""
    return next(iter(items(dataset, "SharedFunctionalGroupsSequence")), None)


def private(dataset: Any, name: str) -> Any:
    """A private element's value when its creator is the one that gives it its meaning; else None."""
    if isinstance(dataset, QuickHeader) and name not in dataset:
        return None
    tag, creator_tag, creator = private_value_name(name)
    if isinstance(dataset, QuickHeader):
        said = dataset.text(f"Creator{creator_tag:08X}")
        return dataset.get(name) if said.upper() == creator else None
    try:
        if joined_text(dataset[creator_tag].value).upper() != creator:
            return None
        return dataset[tag].value
    except Exception:  # absent, or not convertible
        return None


def identity(dataset: Any) -> Identity:
    """Who it is of; kept apart from everything that is shown or written."""
    others = (text(dataset, keyword) for keyword in _IDENTIFYING)
    return Identity(
        text(dataset, "PatientName"),
        text(dataset, "PatientID"),
        text(dataset, "PatientBirthDate"),
        text(dataset, "StudyDate"),
        tuple(dict.fromkeys(other for other in others if other)),
    )


def side_directions(dataset: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """LPS unit vectors of growing columns and rows from PatientOrientation (a radiograph's), None when unknown."""
    letters = text(dataset, "PatientOrientation").upper().split("\\")
    if len(letters) != 2:
        return None
    found = [_SIDES.get(item[:1]) for item in letters]
    if found[0] is None or found[1] is None or any(a and b for a, b in zip(*found, strict=True)):
        return None
    return tuple(map(float, found[0])), tuple(map(float, found[1]))


def transfer_syntax(dataset: Any) -> str:
    """The transfer syntax UID of the file's meta group, empty when it names none.

    What is no UID is damage, and might be somebody's name.
    """
    found = text(getattr(dataset, "file_meta", {}), "TransferSyntaxUID")
    return found if not found.strip("0123456789.") else ""
