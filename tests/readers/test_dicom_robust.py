"""Damage that once did more than a UserError; each was found by ``tests/fuzz/run.py``."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.readers.dicom import decoding
from saliency_viewer.readers.dicom.header import numbers, text
from saliency_viewer.readers.dicom.opening import open_header
from saliency_viewer.runtime.isolated import DECODE_WORKER, Task, Workers

_RLE = "1.2.840.10008.1.2.5"
_COLOURS: dict[str, Any] = {
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
}


def _noise(shape: tuple[int, ...] = (16, 24)) -> Any:
    return np.random.default_rng(5).integers(0, 4096, shape)


def _changed(path: Path, **values: Any) -> Path:
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def test_colours_that_claim_to_be_a_mosaic_are_a_picture(make: Any) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    path = make("a.dcm", np.zeros((16, 24)), **_COLOURS)
    mosaic = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
    _changed(path, PixelData=rgb.tobytes(), ImageType=mosaic)
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x19, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", 4)
    dataset.save_as(path)
    volume = open_study(path).series[0].load()
    assert volume.colour is not None
    np.testing.assert_array_equal(volume.colour[0], rgb)


def test_many_pictures_that_claim_to_be_a_mosaic_are_pictures(make: Any) -> None:
    noise = _noise((3, 16, 24))
    path = make("a.dcm", noise, NumberOfFrames=3, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 4)
    dataset.save_as(path)
    np.testing.assert_array_equal(open_study(path).series[0].load().array, noise - 1024)


def test_remarks_on_values_that_are_converted_on_loading_are_not_printed(make: Any) -> None:
    path = make("a.dcm", _noise(), ModalityLUTSequence=[Dataset()])
    # No number: pydicom takes the value for a short text then, and warns that it is too long for one.
    _changed(path, WindowCenter=["1234567890", "1234567890"], WindowWidth=[7, 7])
    path.write_bytes(path.read_bytes().replace(b"1234567890\\1234567890", b"a centre in words, 21"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert open_study(path).series[0].load().array.shape == (1, 16, 24)
    assert [str(one.message) for one in caught] == []


@pytest.mark.parametrize("keyword", ["PixelSpacing", "SharedFunctionalGroupsSequence"])
def test_a_value_of_millions_of_numbers_is_no_value(keyword: str) -> None:
    dataset = Dataset()
    tag = pydicom.datadict.tag_for_keyword(keyword)
    raw = b"1\\" * (2**19 + 1)
    dataset[tag] = pydicom.dataelem.RawDataElement(pydicom.tag.Tag(tag), "UT", len(raw), raw, 0, False, True)
    assert numbers(dataset, keyword) == ()
    assert text(dataset, keyword) == ""
    # It must not even have been converted: that takes a second for each megabyte.
    assert isinstance(dataset.get_item(keyword), pydicom.dataelem.RawDataElement)


def test_an_endless_sign_is_no_sign(make: Any) -> None:
    path = make("a.dcm", _noise(), ModalityLUTSequence=[Dataset()])
    dataset = pydicom.dcmread(path)
    del dataset.PixelRepresentation
    dataset.add_new(0x00280103, "UT", "1\\" * 2**19 + "0")
    dataset.save_as(path)
    header, _ = open_header(path, None)
    assert "PixelRepresentation" not in header
    assert open_study(path).series[0].load().array.min() >= -1024


def test_floating_pixels_stay_floating_numbers(make: Any) -> None:
    values = np.random.default_rng(1).normal(size=(16, 24)).astype(np.float32)
    path = make("a.dcm", np.zeros((16, 24)), RescaleIntercept=None, RescaleSlope=None, BitsAllocated=32)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.FloatPixelData = values.tobytes()
    dataset.save_as(path)
    volume = open_study(path).series[0].load()
    np.testing.assert_array_equal(volume.array[0], values)
    assert volume.value_range is None


def test_compressed_pixels_without_a_closing_mark_are_read(make: Any) -> None:
    path = make("a.dcm", _noise(), compress=_RLE)
    raw = path.read_bytes()
    assert raw.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    path.write_bytes(raw[:-8])
    np.testing.assert_array_equal(open_study(path).series[0].load().array[0], _noise() - 1024)


def test_a_colour_table_without_one_of_its_colours_is_refused(make: Any) -> None:
    changes: dict[str, Any] = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    path = make("a.dcm", np.zeros((16, 24)), PhotometricInterpretation="PALETTE COLOR", **changes)
    tables: dict[str, Any] = {}
    for colour in ("Red", "Green", "Blue"):
        tables[f"{colour}PaletteColorLookupTableData"] = bytes(0 if colour == "Green" else 512)
    _changed(path, PixelData=bytes(16 * 24), **tables)
    dataset = pydicom.dcmread(path)
    for tag in (0x00281101, 0x00281102, 0x00281103):
        dataset.add_new(tag, "US", [256, 0, 16])
    dataset.save_as(path)
    series = open_study(path).series[0]
    with pytest.raises(UserError, match="colour table"):
        series.load()


def test_what_a_killed_worker_wrote_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    workers = Workers(DECODE_WORKER, 1)
    worker = workers.take()
    inside = list(tmp_path.iterdir())
    assert len(inside) == 1
    (inside[0] / "pixels.dcm").write_bytes(b"pixels")
    workers.give_back(worker)
    worker.kill()
    worker._process.wait()
    fresh = workers.take()  # the idle one has died meanwhile
    assert not inside[0].exists()
    workers.give_back(fresh)
    workers.close()
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_memory_does_not_hold_counts_as_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(DECODE_WORKER, 1)
    worker = workers.take()
    monkeypatch.setattr(type(worker), "_read_line", lambda _: {"bytes": 2**62})
    workers.give_back(worker)
    try:
        answers = list(workers.answers([Task(1, {"path": os.devnull, "indices": [0]}, 20.0)], lambda: None))
    finally:
        workers.close()
    assert [answer.failure for _, answer in answers] == ["crashed"]


def test_no_process_for_decoding_is_a_user_error(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Any:
        raise BlockingIOError("no more processes")

    path = make("a.dcm", _noise(), compress=_RLE)
    monkeypatch.setattr(type(decoding.workers()), "take", refuse)
    series = open_study(path).series[0]
    with pytest.raises(UserError, match="no further process"):
        series.load()


_RLE = "1.2.840.10008.1.2.5"


def test_another_file_under_the_same_name_is_never_shown_from_memory(make: Any, tmp_path: Path) -> None:
    for value in (111, 222):
        path = make("a.dcm", np.full((8, 8), value), compress=_RLE, RescaleIntercept=0)
        assert open_study(path).series[0].load().array.max() == value


def test_a_file_that_became_another_image_is_left_out_with_a_word(stack: Any, make: Any) -> None:
    folder = stack([0, 2, 4, 6])
    series = open_study(folder).series[0]
    paths = sorted(folder.iterdir(), key=lambda p: float(pydicom.dcmread(p).ImagePositionPatient[2]))
    other = make("other.dcm", np.full((6, 8), 4000), ImagePositionPatient=[0, 0, 500])
    paths[1].write_bytes(other.read_bytes())
    volume = series.load()
    assert any("unreadable slice: 1" in words for words in volume.warnings)
    np.testing.assert_allclose(volume.array[:, 0, 0], [0, 10, 20, 30])


def test_files_that_are_gone_are_a_user_error(stack: Any) -> None:
    folder = stack([0, 2, 4])
    series = open_study(folder).series[0]
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="gone"):
        series.load()


def test_more_memory_than_there_is_is_a_user_error(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    series = open_study(stack([0, 2, 4])).series[0]
    monkeypatch.setattr("saliency_viewer.runtime.memory.free_bytes", lambda: 100)
    with pytest.raises(UserError, match="GiB of memory"):
        series.load()


@pytest.mark.parametrize("kept", [0, 600])
def test_a_copy_that_became_zeros_is_refused_without_walking_through_it(make: Any, kept: int) -> None:
    from saliency_viewer.readers.dicom.walk import DamagedError, walk

    path = make("a.dcm", np.zeros((64, 64)))
    path.write_bytes(path.read_bytes()[:kept] + bytes(3_000_000))
    with pytest.raises(UserError, match="damaged"):
        open_study(path)
    if kept:
        with pytest.raises(DamagedError):
            walk(path)


def test_a_sequence_of_unknown_kind_still_counts(make: Any) -> None:
    path = make("a.dcm", np.arange(4).reshape(2, 2), RescaleSlope=None, RescaleIntercept=None)
    # One item with descriptor and data of a modality table, implicit as unknown values are.
    inner = b"\x28\x00\x02\x30\x06\x00\x00\x00" + np.array([4, 0, 16], "<u2").tobytes()
    inner += b"\x28\x00\x06\x30\x08\x00\x00\x00" + np.array([9, 8, 7, 6], "<u2").tobytes()
    item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
    element = b"\x28\x00\x00\x30UN\0\0" + len(item).to_bytes(4, "little") + item
    raw = path.read_bytes()
    place = raw.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(raw[:place] + element + raw[place:])
    assert open_study(path).series[0].load().array[0].tolist() == [[9, 8], [7, 6]]


def test_five_thousand_compressed_frames_open(make: Any) -> None:
    frames = np.zeros((5000, 8, 8))
    frames[:, 0, 0] = np.arange(5000) % 4096
    path = make("a.dcm", frames, compress=_RLE, NumberOfFrames=5000, RescaleIntercept=0, Modality="XA")
    dataset = pydicom.dcmread(path)
    del dataset.ImagePositionPatient
    dataset.save_as(path)
    volume = open_study(path).series[0].load()
    np.testing.assert_array_equal(volume.array[:, 0, 0], np.arange(5000) % 4096)
