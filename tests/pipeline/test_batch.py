from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.pipeline import (
    BatchOptions,
    CaseFailure,
    Services,
    explain_study,
    export_study,
    read_cohort,
    run_batch,
    run_plan,
)
from saliency_viewer.pipeline import batch as module
from saliency_viewer.readers import load_regions
from saliency_viewer.runtime import files
from saliency_viewer.runtime.context import RunContext

METHODS = (MethodRequest("gradient"), MethodRequest("grad-cam"))


@pytest.fixture
def plan(block_model: Path) -> AnalysisPlan:
    return AnalysisPlan(ImageReference(""), str(block_model), METHODS, slices=(3,), device="cpu", threads=1)


@pytest.fixture
def table(tmp_path: Path, mask: Path, make_image: Callable[..., Path]) -> Path:
    """Three good cases on the same grid with regions, and a broken one in the middle."""
    folder = tmp_path / "cohort"
    for number in range(3):
        make_image(folder / f"image{number}.nii.gz", seed=10 + number)
    (folder / "broken.nii.gz").write_bytes(b"not an image")
    lines = ["subject,patient,session,label,group,image,regions"]
    lines += [f"sub-{k},pat-{k},m0,sick,TLE,image{k}.nii.gz,{mask}" for k in range(2)]
    lines += ["sub-x,pat-x,m0,well,HC,broken.nii.gz,", f"sub-2,pat-2,m0,well,HC,image2.nii.gz,{mask}"]
    path = folder / "cohort.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def read_rows(out: Path) -> list[dict[str, str]]:
    with (out / "attribution_statistics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def read_manifest(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "manifest.json").read_text()))


def test_a_failing_case_is_recorded_and_passed(table: Path, plan: AnalysisPlan, tmp_path: Path) -> None:
    services, out, heard = Services(), tmp_path / "out", list[CaseFailure]()
    report = run_batch(read_cohort(table, services.study), plan, services, out, on_failure=heard.append)
    assert (report.done, report.skipped, len(report.failures)) == (3, 0, 1)
    assert [(f.subject, f.place) for f in heard] == [("sub-x", "row 3")]
    manifest = read_manifest(out)
    assert [(case["subject"], case["status"]) for case in manifest["cases"]] == [
        ("sub-0", "done"),
        ("sub-1", "done"),
        ("sub-x", "failed"),
        ("sub-2", "done"),
    ]
    assert [failure["subject"] for failure in manifest["failures"]] == ["sub-x"]
    assert (out / "attribution_summary.png").stat().st_size > 0
    for item in manifest["outputs"]:
        assert (out / item["path"]).stat().st_size == item["bytes"]
    on_disk = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert on_disk == {item["path"] for item in manifest["outputs"]} | {"manifest.json"}


def test_the_tables_columns_stand_beside_every_number(table: Path, plan: AnalysisPlan, tmp_path: Path) -> None:
    services, out = Services(), tmp_path / "out"
    run_batch(read_cohort(table, services.study), plan, services, out)
    rows = read_rows(out)
    assert {(r["subject"], r["patient"], r["session"], r["label"], r["group"]) for r in rows} == {
        ("sub-0", "pat-0", "m0", "sick", "TLE"),
        ("sub-1", "pat-1", "m0", "sick", "TLE"),
        ("sub-2", "pat-2", "m0", "well", "HC"),
    }
    assert {r["method"] for r in rows} == {"gradient", "grad-cam"}
    assert {r["model"] for r in rows} == {"Tiny block"}


def test_exported_mass_fractions_follow_from_the_exported_map(
    table: Path, plan: AnalysisPlan, mask: Path, tmp_path: Path
) -> None:
    services, out = Services(), tmp_path / "out"
    run_batch(read_cohort(table, services.study), plan, services, out)
    labels = np.asarray(nibabel.load(mask).dataobj)
    checked = 0
    for row in read_rows(out):
        if row["statistic"] != "mass_fraction" or row["region"].startswith("outside"):
            continue
        path = next((out / row["method"] / row["subject"]).glob("*.nii.gz"))
        values = np.clip(np.nan_to_num(np.asarray(nibabel.load(path).dataobj, dtype=np.float64)), 0, None)
        assert float(row["value"]) == pytest.approx(
            values[labels == int(row["region"][-1])].sum() / values.sum(), rel=1e-5
        )
        checked += 1
    assert checked == 3 * 2 * 2


def test_one_case_alone_gives_the_numbers_of_the_batch(
    table: Path, plan: AnalysisPlan, mask: Path, tmp_path: Path
) -> None:
    services = Services()
    cases = read_cohort(table, services.study)
    run_batch(cases, plan, services, tmp_path / "batch")
    alone = dataclasses.replace(plan, image=cases[0].image)
    explain_study(alone, Services(), tmp_path / "alone", [mask], cases[0].fields)
    whole = (tmp_path / "batch" / "attribution_statistics.csv").read_text().splitlines()
    single = (tmp_path / "alone" / "attribution_statistics.csv").read_text().splitlines()
    assert single == whole[: len(single)]
    assert len(single) > 20


def test_resume_computes_only_what_is_missing_and_gives_the_same_bytes(
    table: Path, plan: AnalysisPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, out = Services(), tmp_path / "out"
    cases = read_cohort(table, services.study)
    run_batch(cases, plan, services, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != "manifest.json"}
    lost = next(out.glob("gradient/sub-1/*.npy"))
    lost.unlink()
    computed: list[str] = []
    explain_case = module.explain_case

    def watch(plan: AnalysisPlan, *arguments: Any) -> Any:
        computed.append(Path(plan.image.path).name)
        return explain_case(plan, *arguments)

    monkeypatch.setattr(module, "explain_case", watch)
    report = run_batch(cases, plan, services, out, BatchOptions(resume=True))
    assert computed == ["image1.nii.gz", "broken.nii.gz"]
    assert (report.done, report.skipped, len(report.failures)) == (1, 2, 1)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != "manifest.json"} == before


@pytest.mark.parametrize("change", ["seed", "label", "image"])
def test_resume_computes_again_what_another_plan_or_file_made(
    table: Path, plan: AnalysisPlan, tmp_path: Path, change: str, make_image: Callable[..., Path]
) -> None:
    services, out = Services(), tmp_path / "out"
    run_batch(read_cohort(table, services.study), plan, services, out)
    if change == "seed":
        plan = dataclasses.replace(plan, seed=5)
    elif change == "label":
        table.write_text(table.read_text().replace("sub-0,pat-0,m0,sick", "sub-0,pat-0,m0,well"))
    else:
        make_image(table.parent / "image0.nii.gz", seed=99)
    report = run_batch(read_cohort(table, services.study), plan, services, out, BatchOptions(resume=True))
    assert (report.done, report.skipped) == ((3, 0) if change == "seed" else (1, 2))


def test_a_stopped_batch_keeps_what_it_has_and_goes_on_from_there(
    table: Path, plan: AnalysisPlan, tmp_path: Path
) -> None:
    services, out = Services(), tmp_path / "out"
    cases = read_cohort(table, services.study)
    stop = [False]

    def progress(_fraction: float, text: str) -> None:
        stop[0] = text == "Case 2 of 4"

    with pytest.raises(Cancelled):
        run_batch(cases, plan, services, out, context=RunContext(progress, lambda: stop[0]))
    assert [case["subject"] for case in read_manifest(out)["cases"]] == ["sub-0"]
    assert {row["subject"] for row in read_rows(out)} == {"sub-0"}
    report = run_batch(cases, plan, services, out, BatchOptions(resume=True))
    assert (report.done, report.skipped) == (2, 1)


def test_a_defect_in_one_case_does_not_cost_the_others(
    table: Path, plan: AnalysisPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, out = Services(), tmp_path / "out"
    explain_case = module.explain_case

    def trip(plan: AnalysisPlan, *arguments: Any) -> Any:
        if plan.image.path.endswith("image0.nii.gz"):
            raise ZeroDivisionError(f"at {plan.image.path}")
        return explain_case(plan, *arguments)

    monkeypatch.setattr(module, "explain_case", trip)
    report = run_batch(read_cohort(table, services.study), plan, services, out)
    assert (report.done, len(report.failures)) == (2, 2)
    text = (out / "manifest.json").read_text()
    assert "ZeroDivisionError" in text
    assert "image0" not in text


def test_anonymous_cases_of_a_folder_keep_their_names_apart(
    plan: AnalysisPlan, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    folder = tmp_path / "Doe_Jane"
    make_image(folder / "Doe_a.nii.gz", seed=1)
    make_image(folder / "Doe_b.nii.gz", seed=1)
    services, out = Services(), tmp_path / "out"
    report = run_batch(read_cohort(folder, services.study), plan, services, out)
    assert report.done == 2
    names = sorted(path.name for path in (out / "gradient").iterdir())
    assert names[1] == f"{names[0]}-2"
    assert "Doe" not in "".join(str(p.relative_to(out)) for p in out.rglob("*"))
    assert "Doe" not in (out / "manifest.json").read_text()


def test_sessions_of_one_subject_get_files_of_their_own(
    plan: AnalysisPlan, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    for number in range(2):
        make_image(tmp_path / f"{number}.nii.gz", seed=number)
    table = tmp_path / "c.csv"
    table.write_text("subject,session,image\ns,m0,0.nii.gz\ns,m12,1.nii.gz\n")
    services, out = Services(), tmp_path / "out"
    run_batch(read_cohort(table, services.study), plan, services, out)
    assert {path.name for path in (out / "gradient").iterdir()} == {"s_m0", "s_m12"}


def test_paths_stand_in_the_manifest_only_when_asked_for(image: Path, plan: AnalysisPlan, tmp_path: Path) -> None:
    plan = dataclasses.replace(plan, image=ImageReference(str(image)))
    explain_study(plan, Services(), tmp_path / "a")
    explain_study(plan, Services(), tmp_path / "b", identify=True)
    assert str(image) not in (tmp_path / "a" / "manifest.json").read_text()
    assert read_manifest(tmp_path / "b")["inputs"][0]["path"] == str(image)


def test_the_manifest_says_what_was_computed_from_what(
    image: Path, mask: Path, plan: AnalysisPlan, tmp_path: Path
) -> None:
    import hashlib

    from saliency_viewer.models import load_package

    plan = dataclasses.replace(plan, image=ImageReference(str(image)), seed=3)
    explain_study(plan, Services(), tmp_path / "out", [mask])
    manifest = read_manifest(tmp_path / "out")
    assert manifest["seed"] == 3
    assert manifest["models"][0]["sha256"] == load_package(plan.model).model_hash
    assert manifest["plan"]["methods"] == [{"id": "gradient", "parameters": {}}, {"id": "grad-cam", "parameters": {}}]
    assert {item["kind"] for item in manifest["inputs"]} == {"image", "regions"}
    by_kind = {item["kind"]: item["sha256"] for item in manifest["inputs"]}
    assert by_kind["regions"] == hashlib.sha256(mask.read_bytes()).hexdigest()
    assert {"python", "torch", "numpy"} <= set(manifest["libraries"])
    assert "research use only" in manifest["notice"]
    for item in manifest["outputs"]:
        assert hashlib.sha256((tmp_path / "out" / item["path"]).read_bytes()).hexdigest() == item["sha256"]


def test_a_mask_of_another_place_is_refused_before_anything_is_computed(
    image: Path, mask: Path, plan: AnalysisPlan, tmp_path: Path
) -> None:
    other = tmp_path / "other.nii.gz"
    marked = nibabel.load(mask)
    moved = marked.affine.copy()
    moved[:3, 3] += 1000
    nibabel.save(nibabel.Nifti1Image(np.asarray(marked.dataobj), moved), other)
    plan = dataclasses.replace(plan, image=ImageReference(str(image)))
    with pytest.raises(UserError, match="No part of the mask"):
        explain_study(plan, Services(), tmp_path / "out", [other])
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_study_and_leaves_no_half_file(
    image: Path, plan: AnalysisPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        if path.suffix == ".gz":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", refuse)
    with pytest.raises(UserError, match="disk is full"):
        explain_study(dataclasses.replace(plan, image=ImageReference(str(image))), Services(), tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_exporting_a_result_later_gives_the_files_of_explaining_it_at_once(
    image: Path, mask: Path, plan: AnalysisPlan, tmp_path: Path
) -> None:
    plan = dataclasses.replace(plan, image=ImageReference(str(image)))
    explain_study(plan, Services(), tmp_path / "at once", [mask])
    result = run_plan(plan, Services())
    export_study(plan, result, load_regions(mask, result.volume.geometry), tmp_path / "later")

    def contents(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }

    assert contents(tmp_path / "later") == contents(tmp_path / "at once")
    assert read_manifest(tmp_path / "later")["command"] == "export"
