from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from saliency_viewer.attribution import METHODS
from saliency_viewer.cli import run
from saliency_viewer.domain import parameter_specs
from saliency_viewer.runtime import files


def explain(image: Path, model: Path, out: Path, *more: str) -> int:
    arguments = ["explain", str(image), "--model", str(model), "--out", str(out), "--threads", "1"]
    return run([*arguments, *(more if "--method" in more or "--methods" in more else ("--method", "gradient", *more))])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_info_describes_every_series(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(image), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (series,) = record["series"]
    assert (series["slices"], series["rows"], series["columns"]) == (7, 22, 18)
    assert series["spacing_mm"] == pytest.approx([3.0, 0.9, 1.2], abs=1e-5)
    assert {"modality", "description", "orientation", "transfer_syntax", "warnings"} <= set(series)
    assert run(["info", str(image)]) == 0
    assert "7 x 22 x 18" in capsys.readouterr().out


def test_methods_lists_every_method_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods", "--json"]) == 0
    records = {record["id"]: record for record in json.loads(capsys.readouterr().out)}
    assert list(records) == [method.id for method in METHODS]
    for method in METHODS:
        record = records[method.id]
        assert {"label", "signed", "additive", "needs_layer", "reference"} <= set(record)
        assert [p["name"] for p in record["parameters"]] == [s.name for s in parameter_specs(method.Parameters)]
    assert run(["methods"]) == 0
    text = capsys.readouterr().out
    assert all(method.id in text for method in METHODS)


def test_explain_writes_the_tree_and_says_the_answer(
    image: Path, model: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert explain(image, model, out, "--regions", str(mask), "--slices", "2,4", "--method", "grad-cam") == 0
    shown = capsys.readouterr()
    (folder,) = (out / "grad-cam").iterdir()
    assert folder.name.startswith("case-")
    ends = {path.name.removeprefix(f"{folder.name}_grad-cam_") for path in folder.iterdir()}
    assert ends == {"summary.png", "slice_02.png", "slice_04.png", "attributions.npy", "attributions.nii.gz"}
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "attribution_statistics.csv",
        "attribution_summary.png",
        "manifest.json",
    }
    assert folder.name in shown.out
    assert np.load(folder / f"{folder.name}_grad-cam_attributions.npy").shape == (7, 22, 18)


def test_names_of_older_systems_stay_valid(image: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert explain(image, model, out, "--methods", "saliency", "grad_cam", "--key_slices", "3") == 0
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"gradient", "grad-cam"}
    batch = ["batch", str(image.parent), "--model_path", str(model), "--methods", "saliency", "--max_samples", "1"]
    assert run([*batch, "--out", str(tmp_path / "batch")]) == 0


def test_set_reaches_the_method(image: Path, model: Path, tmp_path: Path) -> None:
    more = ("--method", "integrated-gradients", "--set", "integrated-gradients.steps=7")
    assert explain(image, model, tmp_path / "out", *more) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["plan"]["methods"] == [{"id": "integrated-gradients", "parameters": {"steps": 7}}]
    assert manifest["cases"][0]["maps"][0]["parameters"]["steps"] == 7


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--method", "grad-kam"), "grad-kam"),
        (("--target", "tumour"), "tumour"),
        (("--slices", "99"), "no slice 99"),
        (("--layer", "nowhere"), "nowhere"),
        (("--baseline", "noise"), "noise"),
        (("--set", "gradient.colour=1"), "no parameter 'colour'"),
        (("--set", "nonsense"), "no setting"),
        (("--set", "smooth-grad.samples=4"), "not among the methods"),
        (("--set", "smooth-grad.samples=many", "--method", "smooth-grad"), "no value for"),
        (("--series", "77"), "no series '77'"),
        (("--regions", "none.nii.gz"), "no such region file"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    more: tuple[str, ...], words: str, image: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes = more if "--method" in more or "--layer" not in more else (*more, "--method", "grad-cam")
    assert explain(image, model, tmp_path / "out", *wishes) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_place_is_refused(
    image: Path, model: Path, other_mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(image, model, tmp_path / "out", "--regions", str(other_mask)) == 2
    assert "No part of the mask lies in the image" in capsys.readouterr().err


def test_a_folder_without_images_is_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "Doe_Jane"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear colleague")
    for arguments in (["info", str(folder)], ["explain", str(folder), "--model", str(model), "--out", "o"]):
        assert run(arguments) == 2
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1
        assert "Doe" not in shown


def _broken_model(model: Path, fault: str) -> None:
    card, weights = model / "model.toml", model / "weights.safetensors"
    if fault == "no weights":
        weights.unlink()
    elif fault == "classes":
        card.write_text(card.read_text().replace('["well", "sick"]', '["a", "b", "c"]'))
    elif fault == "pickled":
        weights.write_bytes(pickle.dumps(print))
        weights.rename(model / "weights.pt")
        card.write_text(card.read_text().replace("weights.safetensors", "weights.pt"))
    else:
        card.unlink()


@pytest.mark.parametrize("fault", ["no weights", "classes", "pickled", "no card"])
def test_a_broken_package_is_one_sentence_for_explain_and_for_check(
    fault: str, image: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["model", "check", str(model)]) == 0
    capsys.readouterr()
    _broken_model(model, fault)
    package, out = str(model), str(tmp_path / "out")
    for command in (["explain", str(image), "--model", package, "--out", out], ["model", "check", package]):
        assert run(command) == 2
        shown = capsys.readouterr().err
        assert "Traceback" not in shown
        assert shown.startswith("saliency-viewer: ")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_status_2_with_nothing_half_written(
    image: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        if path.suffix == ".npy":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", refuse)
    assert explain(image, model, tmp_path / "out") == 2
    assert "disk is full" in capsys.readouterr().err
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_batch_with_a_broken_case_is_status_1_and_names_it(
    image: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(image, image.parent / "another.nii.gz")
    (image.parent / "broken.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    arguments = ["batch", str(image.parent), "--model", str(model), "--method", "gradient", "--out", str(out)]
    assert run(arguments) == 1
    shown = capsys.readouterr()
    failed = [case for case in json.loads((out / "manifest.json").read_text())["cases"] if case["status"] == "failed"]
    assert len(failed) == 1
    assert failed[0]["subject"] in shown.err
    assert "study 2 of 3" in shown.err
    assert "2 done, 0 already complete, 1 failed" in shown.out
    assert run([*arguments, "--resume"]) == 1
    assert "0 done, 2 already complete, 1 failed" in capsys.readouterr().out


def test_measure_gives_the_numbers_of_explain(image: Path, model: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert explain(image, model, out, "--regions", str(mask)) == 0
    exported = next(out.rglob("*.nii.gz"))
    table = tmp_path / "measured.csv"
    assert run(["measure", str(exported), "--regions", str(mask), "--out", str(table)]) == 0
    expected = {
        (row["region"], row["statistic"]): row["value"] for row in read_rows(out / "attribution_statistics.csv")
    }
    found = {(row["region"], row["statistic"]): row["value"] for row in read_rows(table)}
    assert found == expected
    assert len(found) > 20


def _heed_interrupts() -> None:
    """A test run in the background of a shell ignores Ctrl-C, and so would every child of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal with signals")
def test_control_c_takes_the_bar_away_stops_with_130_and_leaves_no_file(
    image: Path, model: Path, tmp_path: Path
) -> None:
    import pty

    out = tmp_path / "out"
    command = [sys.executable, "-m", "saliency_viewer", "explain", str(image), "--model", str(model), "--out", str(out)]
    more = ["--method", "smooth-grad", "--set", "smooth-grad.samples=500", "--threads", "1"]
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*command, *more], stderr=theirs, start_new_session=True, preexec_fn=_heed_interrupts
    ) as process:
        os.close(theirs)
        while not re.search(rb" (2[6-9]|[3-8][0-9])%", shown):  # explaining has begun
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        shown += _until_closed(ours)
    assert process.returncode == 130
    assert b"Traceback" not in shown
    assert b" left" in shown
    assert shown.split(b"\x1b[K")[-1].strip() == b"Stopped."
    assert not [path for path in out.rglob("*") if path.is_file()]


def _until_closed(terminal: int) -> bytes:
    shown = b""
    try:
        while block := os.read(terminal, 4096):
            shown += block
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(terminal)
    return shown


def test_measure_takes_several_masks_and_says_what_was_made_of_them(
    image: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft = nibabel.load(mask).get_fdata()
    soft[soft > 0] = 0.8
    soft[0, 0, 0] = 0.1
    nibabel.save(nibabel.Nifti1Image(soft.astype(np.float32), nibabel.load(mask).affine), tmp_path / "soft.nii.gz")
    table = tmp_path / "measured.csv"
    assert run(["measure", str(image), "--regions", str(mask), str(tmp_path / "soft.nii.gz"), "--out", str(table)]) == 0
    assert {row["region"] for row in read_rows(table)} >= {"label 1", "label 2", "region"}
    assert "half its maximum (0.4)" in capsys.readouterr().err


def test_a_cut_mask_is_named_in_the_manifest(image: Path, model: Path, mask: Path, tmp_path: Path) -> None:
    soft = nibabel.load(mask).get_fdata()
    soft[soft > 0] = 0.8
    soft[0, 0, 0] = 0.1
    nibabel.save(nibabel.Nifti1Image(soft.astype(np.float32), nibabel.load(mask).affine), tmp_path / "soft.nii.gz")
    assert explain(image, model, tmp_path / "out", "--regions", str(tmp_path / "soft.nii.gz")) == 0
    assert "half its maximum" in (tmp_path / "out" / "manifest.json").read_text()


def test_the_paths_of_failed_cases_are_shown_to_who_asks(
    image: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (image.parent / "Doe_Jane.nii.gz").write_bytes(b"damaged")
    arguments = ["batch", str(image.parent), "--model", str(model), "--method", "gradient", "--out"]
    assert run([*arguments, str(tmp_path / "a")]) == 1
    said = capsys.readouterr().err
    assert "Doe_Jane" not in said
    assert "--identify shows" in said
    assert run([*arguments, str(tmp_path / "b"), "--identify"]) == 1
    assert "Doe_Jane.nii.gz" in capsys.readouterr().err


def test_a_damaged_dicom_file_of_a_folder_is_a_case_that_fails(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from saliency_viewer.phantoms import chest_phantom, write_dicom_dx

    write_dicom_dx(chest_phantom(3, None, 96), tmp_path / "films")
    whole = next((tmp_path / "films").iterdir())
    (tmp_path / "films" / "cut.dcm").write_bytes(whole.read_bytes()[:700])
    out = tmp_path / "out"
    assert (
        run(["batch", str(tmp_path / "films"), "--model", str(model), "--method", "gradient", "--out", str(out)]) == 1
    )
    assert "1 done, 0 already complete, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--trust-sha256", "{digest}"], ["--trust-code"], ["--trust-sha256", "ab"], []])
def test_code_of_a_package_runs_only_when_allowed(
    option: list[str], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nfrom saliency_viewer.models.builtin import SmallCNN as Net\n"
    (model / "net.py").write_text(code)
    card = (model / "model.toml").read_text()
    name = re.search('architecture = "(.*)"', card)
    assert name is not None
    (model / "model.toml").write_text(card.replace(name[1], "python:net.py:Net"))
    digest = hashlib.sha256(code.encode()).hexdigest()
    status = run(["model", "check", str(model), *(part.format(digest=digest) for part in option)])
    allowed = option in (["--trust-code"], ["--trust-sha256", "{digest}"])
    assert (tmp_path / "ran").exists() == allowed
    if not allowed:
        assert status == 2
        assert "was not run" in capsys.readouterr().err
