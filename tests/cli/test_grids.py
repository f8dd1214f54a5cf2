"""The command line's choice between slices as stored and a regular grid."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from saliency_viewer.cli import run
from saliency_viewer.domain import Series, Study, Volume
from saliency_viewer.spatial import Geometry

SLICES = {"regular": 7, "stored": 5}


def _volume(slices: int) -> Volume:
    array = np.random.default_rng(slices).integers(0, 900, (slices, 22, 18)).astype(np.int16)
    return Volume(array, Geometry.from_spacing(array.shape, (3, 1, 1), "patient", True), "CT")


@pytest.fixture
def tilted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose series offers two grids, the regular one first."""
    path = tmp_path / "tilted" / "scan.nii.gz"
    path.parent.mkdir()
    path.write_bytes(b"any")
    series = Series(
        "1.2.3", 1, "CT", "tilted", 22, 18, 7, (3, 1, 1), "axial", "Explicit VR Little Endian",
        lambda _context: _volume(SLICES["regular"]),
        grids=("regular", "stored"), other_loader=lambda _context: _volume(SLICES["stored"]),
    )  # fmt: skip
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda *_: Study(str(path), (series,)))
    return path


@pytest.mark.parametrize(("wish", "used"), [((), "regular"), (("--grid", "regular"),) * 2, (("--grid", "stored"),) * 2])
def test_explain_works_on_the_wanted_grid_and_the_manifest_says_which(tilted, model, tmp_path, wish, used):
    used = used if isinstance(used, str) else used[1]
    out = tmp_path / "out"
    options = ["--model", str(model), "--method", "gradient", "--threads", "1", "--out", str(out), *wish]
    assert run(["explain", str(tilted), *options]) == 0
    (path,) = out.rglob("*_attributions.npy")
    assert np.load(path).shape == (SLICES[used], 22, 18)
    plan = json.loads((out / "manifest.json").read_text())["plan"]
    assert plan["image"]["grid"] == (wish[1] if wish else "")


def test_a_batch_hands_the_grid_to_every_case(tilted, model, tmp_path):
    (tmp_path / "cohort.csv").write_text(f"subject,image\none,{tilted}\n")
    out = tmp_path / "out"
    options = ["--model", str(model), "--method", "gradient", "--threads", "1", "--out", str(out)]
    assert run(["batch", str(tmp_path / "cohort.csv"), *options, "--grid", "stored"]) == 0
    (path,) = out.rglob("*_attributions.npy")
    assert np.load(path).shape == (SLICES["stored"], 22, 18)


def test_measure_takes_a_map_on_the_wanted_grid(tilted, tmp_path):
    labels = np.ones((18, 22, SLICES["stored"]), dtype=np.uint8)
    stored = _volume(SLICES["stored"]).geometry
    affine = np.diag([-1, -1, 1, 1]) @ stored.affine @ np.eye(4)[[2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / "regions.nii.gz")
    arguments = ["measure", str(tilted), "--regions", str(tmp_path / "regions.nii.gz"), "--out"]
    assert run([*arguments, str(tmp_path / "a.csv"), "--grid", "stored"]) == 0
    with (tmp_path / "a.csv").open(newline="") as stream:
        voxels = {row["region"]: row["value"] for row in csv.DictReader(stream) if row["statistic"] == "voxels"}
    assert float(voxels["whole image"]) == labels.size
    assert run([*arguments, str(tmp_path / "b.csv")]) == 0
    with (tmp_path / "b.csv").open(newline="") as stream:
        usual = {row["region"]: row["value"] for row in csv.DictReader(stream) if row["statistic"] == "voxels"}
    assert usual["whole image"] != voxels["whole image"]  # the mask was resampled onto the other grid


def test_another_grid_is_no_choice(model, tmp_path, capsys):
    assert run(["explain", "x", "--model", str(model), "--out", str(tmp_path), "--grid", "bent"]) == 2
    assert "stored" in capsys.readouterr().err
