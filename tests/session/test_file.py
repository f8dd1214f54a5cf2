from __future__ import annotations

import dataclasses
import errno
import io
import json
import math
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saliency_viewer.domain import ImageReference
from saliency_viewer.errors import UserError
from saliency_viewer.runtime import files
from saliency_viewer.session import Document, load_session, save_session
from saliency_viewer.session.migrations import FORMAT, VERSION, migrate


def test_everything_comes_back_bit_by_bit(document: Document, tmp_path: Path) -> None:
    found = load_session(save_session(document, tmp_path / "work.svsession"))
    for name in ("image", "image_hash", "model", "model_hash", "plan", "key_slices", "view"):
        assert getattr(found, name) == getattr(document, name)
    assert found.regions is not None
    assert document.regions is not None
    assert found.regions.geometry.same_as(document.regions.geometry, 0.0)
    for one, other in zip(found.regions.regions, document.regions.regions, strict=True):
        assert (one.name, one.colour, one.origin, one.locked, one.visible) == (
            other.name,
            other.colour,
            other.origin,
            other.locked,
            other.visible,
        )
        np.testing.assert_array_equal(one.patch, other.patch)
    one, other = found.maps[0], document.maps[0]
    assert one.array.tobytes() == other.array.tobytes()
    for field in dataclasses.fields(one):
        if field.name not in ("array", "geometry"):
            assert getattr(one, field.name) == getattr(other, field.name), field.name
    assert found.prediction is not None
    assert document.prediction is not None
    for name in ("logits", "probabilities", "slice_logits"):
        np.testing.assert_array_equal(getattr(found.prediction, name), getattr(document.prediction, name))
    assert found.prediction.label == "sick"


def test_an_empty_document_comes_back_empty(tmp_path: Path) -> None:
    found = load_session(save_session(Document(), tmp_path / "work.svsession"))
    assert (found.image, found.plan, found.regions, found.maps, found.prediction) == (None, None, None, (), None)


def test_the_same_document_gives_the_same_bytes(document: Document, tmp_path: Path) -> None:
    first = save_session(document, tmp_path / "a.svsession").read_bytes()
    assert save_session(document, tmp_path / "b.svsession").read_bytes() == first


def test_a_session_of_a_large_volume_stays_small(document: Document, tmp_path: Path) -> None:
    assert document.regions is not None
    path = save_session(dataclasses.replace(document, maps=()), tmp_path / "a.svsession")
    with zipfile.ZipFile(path) as archive:
        bits = archive.getinfo("regions/000.npy").file_size
    assert bits <= document.regions.regions[0].patch.size // 8 + 1 + 128


@pytest.mark.parametrize("content", [b"", b"not a zip at all", b"PK\x03\x04 half", b"\x00" * 4096])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.svsession"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a session file"):
        load_session(path)


def test_a_missing_file_is_named_as_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such session"):
        load_session(tmp_path / "none.svsession")


def _rewritten(path: Path, change: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | change).items():
            archive.writestr(name, content)
    return path


def _record(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("session.json"))


def _index(path: Path, **change: object) -> Path:
    return _rewritten(path, {"session.json": json.dumps(_record(path) | change).encode()})


def test_a_newer_file_is_refused_with_the_reason(document: Document, tmp_path: Path) -> None:
    path = _index(save_session(document, tmp_path / "a.svsession"), version=VERSION + 1)
    with pytest.raises(UserError, match="newer Saliency Viewer"):
        load_session(path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something else"},
        {"version": "1"},
        {"version": 0},
        {"regions": {"geometry": 3}},
        {"maps": [{}]},
        {"plan": {"image": {}}},
        {"prediction": []},
    ],
)
def test_a_damaged_record_is_refused(change: dict[str, object], document: Document, tmp_path: Path) -> None:
    path = _index(save_session(document, tmp_path / "a.svsession"), **change)
    with pytest.raises(UserError, match="not a session file"):
        load_session(path)


@pytest.mark.parametrize("shape", [[math.inf, 1, 1], [1e400, 17, 23], [10**400, 17, 23]])
def test_numbers_beyond_every_size_are_refused(shape: list[float], document: Document, tmp_path: Path) -> None:
    path = save_session(document, tmp_path / "a.svsession")
    regions = _record(path)["regions"]
    regions["geometry"]["shape"] = shape
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(path, regions=regions))
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(save_session(document, path), key_slices=[math.inf]))


@pytest.mark.parametrize("count", [10**13, 10**10, -5])
def test_an_array_whose_header_claims_another_size_takes_no_memory(
    count: int, document: Document, tmp_path: Path
) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    path = _rewritten(save_session(document, tmp_path / "a.svsession"), {"regions/000.npy": stream.getvalue()})
    tracemalloc.start()
    with pytest.raises(UserError, match="not a session file"):
        load_session(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_every_truncation_is_refused_and_never_a_traceback(document: Document, tmp_path: Path) -> None:
    content = save_session(document, tmp_path / "a.svsession").read_bytes()
    path = tmp_path / "cut.svsession"
    for length in range(0, len(content) - 1, 97):
        path.write_bytes(content[:length])
        with pytest.raises(UserError):
            load_session(path)


def test_flipped_bytes_never_end_in_anything_but_a_document_or_a_user_error(document: Document, tmp_path: Path) -> None:
    content = save_session(document, tmp_path / "a.svsession").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.svsession"
    refused = 0
    for position in rng.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            load_session(path)
        except UserError:
            refused += 1
    assert refused > 100


def test_a_pickle_in_an_array_is_never_run(document: Document, tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(trace),)

    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Trap()], dtype=object), allow_pickle=True)
    for payload in (stream.getvalue(), pickle.dumps(Trap())):
        path = _rewritten(save_session(document, tmp_path / "a.svsession"), {"maps/00.npy": payload})
        with pytest.raises(UserError, match="not a session file"):
            load_session(path)
    assert not trace.exists()


def test_a_member_that_claims_a_huge_array_is_refused_before_it_is_unpacked(document: Document, tmp_path: Path) -> None:
    path = save_session(document, tmp_path / "a.svsession")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["maps/00.npy"] = bytes(64 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match="not a session file"):
        load_session(path)


def _header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize("shape", [(10**13,), (10**18,), (10**30,), (-5,)])
def test_an_array_whose_header_claims_too_much_is_refused(
    shape: tuple[int, ...], document: Document, tmp_path: Path
) -> None:
    saved = save_session(document, tmp_path / "a.svsession")
    with pytest.raises(UserError, match="not a session file"):
        load_session(_rewritten(saved, {"regions/000.npy": _header(shape)}))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("geometry", {"shape": [float("inf"), 17, 23]}),
        ("geometry", {"affine": [[float("inf")] * 4] * 4}),
        ("geometry", {"affine": [[0.0] * 4] * 4}),
        ("item", {"origin": [float("inf"), 0, 0]}),
        ("item", {"origin": [float("nan"), 0, 0]}),
        ("item", {"shape": [10**6, 10**6, 10**6]}),
    ],
)
def test_numbers_that_no_grid_has_are_refused(
    part: str, value: dict[str, object], document: Document, tmp_path: Path
) -> None:
    saved = save_session(document, tmp_path / "a.svsession")
    with zipfile.ZipFile(saved) as archive:
        regions = json.loads(archive.read("session.json"))["regions"]
    (regions["geometry"] if part == "geometry" else regions["items"][0]).update(value)
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(saved, regions=regions))


@pytest.mark.parametrize("slices", [[1e400], ["x"], [None], 3])
def test_key_slices_that_are_no_numbers_are_refused(slices: object, document: Document, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(save_session(document, tmp_path / "a.svsession"), key_slices=slices))


def test_what_was_said_of_the_files_of_regions_comes_back(document: Document, tmp_path: Path) -> None:
    said = ("Parts outside the image are left out: lung 40 %.",)
    regions = dataclasses.replace(document.regions, warnings=said)
    saved = save_session(dataclasses.replace(document, regions=regions), tmp_path / "a.svsession")
    assert load_session(saved).regions.warnings == said


def test_a_session_of_version_2_opens_without_words_on_its_regions(document: Document, tmp_path: Path) -> None:
    saved = save_session(document, tmp_path / "a.svsession")
    with zipfile.ZipFile(saved) as archive:
        record = json.loads(archive.read("session.json"))
    del record["regions"]["warnings"]
    found = load_session(_index(saved, version=2, regions=record["regions"]))
    assert (found.regions.names, found.regions.warnings) == (document.regions.names, ())
    empty = save_session(Document(), tmp_path / "b.svsession")
    assert load_session(_index(empty, version=2)).regions is None


def test_the_fold_comes_back_and_a_session_of_version_3_opens_without_one(document: Document, tmp_path: Path) -> None:
    amap, plan = document.maps[0], dataclasses.replace(document.plan, fold="b")
    amap = dataclasses.replace(
        amap, provenance=dataclasses.replace(amap.provenance, fold="mean", is_training_case=True)
    )
    saved = save_session(dataclasses.replace(document, maps=(amap,), plan=plan), tmp_path / "a.svsession")
    found = load_session(saved)
    made = found.maps[0].provenance
    assert (found.plan.fold, made.fold, made.is_training_case) == ("b", "mean", True)
    with zipfile.ZipFile(saved) as archive:
        record = json.loads(archive.read("session.json"))
    del record["plan"]["fold"], record["maps"][0]["provenance"]["fold"]
    del record["maps"][0]["provenance"]["is_training_case"]
    old = load_session(_index(saved, version=3, plan=record["plan"], maps=record["maps"]))
    made = old.maps[0].provenance
    assert (old.plan.fold, made.fold, made.is_training_case) == ("", "", False)


def test_a_region_outside_its_image_is_refused(document: Document, tmp_path: Path) -> None:
    path = save_session(document, tmp_path / "a.svsession")
    with zipfile.ZipFile(path) as archive:
        regions = json.loads(archive.read("session.json"))["regions"]
    regions["items"][2]["origin"] = [1, 2, 22]
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(path, regions=regions))


def test_a_full_disk_keeps_the_older_session(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_session(Document(model="older"), tmp_path / "a.svsession")

    def refuse(_path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", refuse)
    with pytest.raises(UserError, match="disk is full"):
        save_session(document, path)
    assert load_session(path).model == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_record_passes_through_every_migration_in_order() -> None:
    steps = {
        1: lambda record: {**record, "trail": [1]},
        2: lambda record: {**record, "trail": [*record["trail"], 2]},
    }
    found = migrate({"format": FORMAT, "version": 1}, version=3, migrations=steps)
    assert found == {"format": FORMAT, "version": 3, "trail": [1, 2]}


def test_the_grid_and_its_coordinate_system_come_back(document: Document, tmp_path: Path) -> None:
    assert document.regions is not None
    located = dataclasses.replace(document.regions.geometry, frame_of_reference="1.2.3")
    regions = dataclasses.replace(document.regions, geometry=located)
    image = ImageReference("study/here", "2", "regular")
    plan = dataclasses.replace(document.plan, image=image)
    saved = save_session(
        dataclasses.replace(document, image=image, plan=plan, regions=regions), tmp_path / "a.svsession"
    )
    found = load_session(saved)
    assert found.image == image
    assert found.plan == plan
    assert found.regions is not None
    assert found.regions.geometry.frame_of_reference == "1.2.3"
    with pytest.raises(UserError, match="not a session file"):
        load_session(_index(saved, image={"path": "p", "series": None, "grid": "bent"}))


def test_a_session_of_version_1_opens_on_the_usual_grid(document: Document, tmp_path: Path) -> None:
    path = save_session(document, tmp_path / "a.svsession")
    with zipfile.ZipFile(path) as archive:
        record = json.loads(archive.read("session.json"))
    record["version"] = 1
    del record["image"]["grid"], record["plan"]["image"]["grid"]
    for holder in (record["regions"], *record["maps"]):
        del holder["geometry"]["frame_of_reference"]
    found = load_session(_rewritten(path, {"session.json": json.dumps(record).encode()}))
    assert found.image == document.image
    assert found.plan == document.plan
    assert found.maps[0].geometry.same_as(document.maps[0].geometry, 0.0)
    empty = save_session(Document(), tmp_path / "b.svsession")
    assert load_session(_index(empty, version=1)).image is None
