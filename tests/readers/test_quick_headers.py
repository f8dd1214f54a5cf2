"""The fast walk says what pydicom says, or leaves the file to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from saliency_viewer.readers.dicom.header import identity, number, numbers, text
from saliency_viewer.readers.dicom.opening import open_header
from saliency_viewer.readers.dicom.quick_header import QuickHeader
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.dicom.tags import wanted
from saliency_viewer.readers.dicom.walk import walk

_SPECIAL = {"TransferSyntaxUID", "MediaStorageSOPClassUID"}


def _differences(path: Path) -> list[str]:
    quick = walk(path)
    if quick is None or open_header(path, quick)[0] is not quick:
        return []
    slow, _ = open_header(path, None)
    wrong = []
    for keyword in set(wanted().names.values()) - {""}:
        if keyword.startswith(("Siemens", "GE", "Philips", "Creator")):
            continue
        source: Any = slow.file_meta if keyword in _SPECIAL else slow
        if text(quick, keyword) != text(source, keyword) or numbers(quick, keyword) != numbers(source, keyword):
            wrong.append(f"{path.name} {keyword}: {text(quick, keyword)!r} against {text(source, keyword)!r}")
    if identity(quick) != identity(slow):
        wrong.append(f"{path.name}: identity")
    return wrong


def test_every_file_reads_alike_both_ways(shared_data: Path) -> None:
    paths = [path for path in sorted(shared_data.rglob("*")) if path.is_file() and path.suffix != ".gz"]
    quick = [path for path in paths if walk(path) is not None]
    assert len(quick) > 100
    with quietly():
        wrong = [line for path in quick for line in _differences(path)]
    assert wrong == []


def test_pixels_are_where_pydicom_finds_them(shared_data: Path) -> None:
    checked = 0
    for path in sorted((shared_data / "dicom_edge").rglob("*.dcm")):
        quick = walk(path)
        if quick is None or quick.pixels is None or quick.pixels.length is None:
            continue
        raw = path.read_bytes()[quick.pixels.start : quick.pixels.start + quick.pixels.length]
        dataset = pydicom.dcmread(path, force=True)
        assert raw == dataset.PixelData[: len(raw)]
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("implicit", [False, True])
def test_sequences_are_stepped_over_in_every_form(make: Any, tmp_path: Path, implicit: bool) -> None:
    dataset = pydicom.dcmread(make("a.dcm", np.arange(12).reshape(3, 4)))
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    inner.PixelSpacing = [9, 9]  # must not be taken for the image's own
    outer = Dataset()
    outer.ReferencedImageSequence = Sequence([inner])
    outer["ReferencedImageSequence"].is_undefined_length = True
    dataset.ReferencedStudySequence = Sequence([outer, inner])
    for undefined in (False, True):
        dataset["ReferencedStudySequence"].is_undefined_length = undefined
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(
            "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"
        )
        path = tmp_path / f"{undefined}.dcm"
        dataset.save_as(path, implicit_vr=implicit, enforce_file_format=True)
        header, payload = open_header(path, walk(path))
        assert numbers(header, "PixelSpacing") == (0.7, 0.5)
        assert payload is not None
        assert payload.size == 24
        assert _differences(path) == []


@pytest.mark.parametrize("implicit", [False, True])
def test_an_icon_is_never_taken_for_the_image(make: Any, tmp_path: Path, implicit: bool) -> None:
    dataset = pydicom.dcmread(make("a.dcm", np.arange(12).reshape(3, 4)))
    code, icon = Dataset(), Dataset()
    code.CodeValue = "113072"
    icon.DerivationCodeSequence = Sequence([code])
    icon["DerivationCodeSequence"].is_undefined_length = True
    icon.Rows, icon.Columns, icon.BitsAllocated = 2, 2, 8
    icon.PixelData = bytes(4)
    icon["PixelData"].VR = "OW"
    icon.is_undefined_length_sequence_item = True
    dataset.IconImageSequence = Sequence([icon])
    dataset["IconImageSequence"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1")
    dataset.save_as(tmp_path / "b.dcm", implicit_vr=implicit, enforce_file_format=True)
    header = walk(tmp_path / "b.dcm")
    assert header is not None
    assert (number(header, "Rows"), number(header, "Columns")) == (3, 4)
    assert _differences(tmp_path / "b.dcm") == []


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "ISO_IR 144", "\\ISO 2022 IR 87"])
def test_names_in_every_alphabet_are_those_of_pydicom(make: Any, tmp_path: Path, charset: str) -> None:
    names = {"ISO_IR 144": "Люкceмбypг", "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎"}
    dataset = pydicom.dcmread(make("a.dcm", np.zeros((2, 2))))
    dataset.SpecificCharacterSet = charset.split("\\") if "\\" in charset else charset
    dataset.PatientName = names.get(charset, "Müller^Änne")
    dataset.save_as(tmp_path / "b.dcm")
    header, _ = open_header(tmp_path / "b.dcm", walk(tmp_path / "b.dcm"))
    assert identity(header).patient_name == names.get(charset, "Müller^Änne")


def test_a_file_in_another_encoding_than_it_says_is_left_to_pydicom(make: Any, tmp_path: Path) -> None:
    raw = make("a.dcm", np.arange(12).reshape(3, 4)).read_bytes()
    lying = raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0", 1)
    assert lying != raw
    path = tmp_path / "lying.dcm"
    path.write_bytes(lying)
    assert walk(path) is None


def test_elements_behind_a_large_private_one_are_found(make: Any, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(make("a.dcm", np.arange(12).reshape(3, 4)))
    block = dataset.private_block(0x0009, "SOMEBODY", create=True)
    block.add_new(1, "OB", bytes(200_000))
    dataset.save_as(tmp_path / "b.dcm")
    found = walk(tmp_path / "b.dcm")
    assert isinstance(found, QuickHeader)
    assert number(found, "Rows") == 3


def test_private_numbers_count_only_behind_their_creator(make: Any, tmp_path: Path) -> None:
    from saliency_viewer.readers.dicom.header import private

    for creator, expected in (("SIEMENS MR HEADER", "500"), ("SOMEBODY ELSE", None)):
        dataset = pydicom.dcmread(make("a.dcm", np.zeros((2, 2))))
        dataset.private_block(0x0019, creator, create=True).add_new(0x0C, "IS", "500")
        dataset.save_as(tmp_path / "b.dcm")
        for header in (walk(tmp_path / "b.dcm"), open_header(tmp_path / "b.dcm", None)[0]):
            found = private(header, "SiemensBValue")
            assert (None if found is None else str(found)) == expected
