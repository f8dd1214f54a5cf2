"""Which fold of an ensemble explains a case, what its maps are, and how training cases are flagged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, Fold, ImageReference, MethodRequest
from saliency_viewer.errors import UserError
from saliency_viewer.models import CaseLists, case_digest, load_package, parse_card, write_ensemble, write_package
from saliency_viewer.pipeline import (
    CaseFields,
    Services,
    explain_study,
    load_model,
    read_cohort,
    run_batch,
    run_plan,
)
from saliency_viewer.pipeline.folds import choose_fold, keyed_case_digest

CARD_3D = """
[model]
name = "Tiny folds"
version = "0.1"
architecture = "builtin:small-cnn-3d"
arguments = { width = 4, downsamplings = 1 }

[output]
classes = ["well", "sick"]

[input]
layout = "3d"
size = [8, 24, 20]
intensity = [{ step = "minmax" }]
"""
CARD_2D = CARD_3D.replace("cnn-3d", "cnn-2d").replace('"3d"', '"2d"').replace("[8, 24, 20]", "[24, 20]")
FOLDS = ("a", "b", "c")
LISTED = {case_digest("sub-0"): "a", case_digest("pat-1"): "b", case_digest("sub-2"): "c"}


def states(dimensions: int = 3) -> dict[str, Any]:
    import torch

    from saliency_viewer.models.builtin import SmallCNN

    made = {}
    with torch.random.fork_rng():
        for number, name in enumerate(FOLDS):
            torch.manual_seed(number)
            made[name] = SmallCNN(dimensions, width=4, downsamplings=1).state_dict()
    return made


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "folds"
    write_ensemble(folder, parse_card(CARD_3D), states(), LISTED, [case_digest("sub-9")])
    return folder


@pytest.fixture(scope="module")
def plane_ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "planes"
    write_ensemble(folder, parse_card(CARD_2D), states(2), LISTED)
    return folder


def plan(image: Path | str, model: Path, *methods: str, **fields: Any) -> AnalysisPlan:
    requests = tuple(MethodRequest(name) for name in methods or ("gradient",))
    return replace(AnalysisPlan(ImageReference(str(image)), str(model), requests, device="cpu", threads=1), **fields)


CARD = replace(parse_card(CARD_3D), folds=tuple(Fold(name, f"{name}.safetensors") for name in FOLDS))
LISTS = CaseLists(LISTED, frozenset({case_digest("sub-9"), "image-digest"}))


@pytest.mark.parametrize(
    ("wanted", "known_as", "fold", "is_trained"),
    [
        ("", ("sub-0", ""), "a", False),
        ("", (" sub-0 ", "pat-7"), "a", False),
        ("", ("sub-1", "pat-1"), "b", False),  # the patient is listed
        ("", ("new", "also new"), "mean", False),
        ("", ("", ""), "mean", False),
        ("c", ("new",), "c", False),
        ("a", ("sub-0",), "a", False),
        ("b", ("sub-0",), "b", True),  # trained on it: only a was not
        ("mean", ("sub-0",), "mean", True),
        ("", ("sub-9",), "mean", True),
        ("c", ("sub-9",), "c", True),
        ("", ("sub-0", "pat-1"), "mean", True),  # held out by two: whichever answers knows one of them
    ],
)
def test_a_case_is_explained_by_the_fold_that_held_it_out(
    wanted: str, known_as: tuple[str, ...], fold: str, is_trained: bool
) -> None:
    choice = choose_fold(CARD, LISTS, wanted, known_as)
    assert (choice.fold, choice.is_training_case, bool(choice.warning)) == (fold, is_trained, is_trained)


def test_the_warning_says_which_fold_would_do() -> None:
    said = choose_fold(CARD, LISTS, "b", ["sub-0"]).warning
    assert "fold b was trained on" in said
    assert "Fold a was not" in said
    assert "the folds were trained on" in choose_fold(CARD, LISTS, "", ["sub-9"]).warning


def test_a_case_may_be_listed_by_its_image_or_under_the_installations_key() -> None:
    assert choose_fold(CARD, LISTS, "", ["new"], "image-digest").is_training_case
    keyed = CaseLists({keyed_case_digest("sub-0"): "c"})
    assert choose_fold(CARD, keyed, "", ["sub-0"]).fold == "c"
    assert keyed_case_digest("sub-0") != case_digest("sub-0")


def test_a_single_network_knows_its_training_cases() -> None:
    single = replace(CARD, folds=())
    assert choose_fold(single, LISTS, "", ["sub-9"]).is_training_case
    assert not choose_fold(single, LISTS, "", ["sub-7"]).is_training_case


def maps_of(result: AnalysisResult) -> dict[str, np.ndarray]:
    return {amap.method: amap.array for amap in result.maps}


LINEAR = (
    "gradient", "input-x-gradient", "smooth-grad", "integrated-gradients", "smooth-integrated-gradients", "blur-ig",
    "gradient-shap", "deep-lift", "guided-backprop", "deconvnet", "occlusion", "rise",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["block", "plane"])
def test_the_mean_of_the_folds_maps_is_the_map_of_their_mean_where_methods_are_linear(
    image: Path, ensemble: Path, plane_ensemble: Path, kind: str
) -> None:
    from saliency_viewer.attribution import explain

    model = ensemble if kind == "block" else plane_ensemble
    fields: dict[str, Any] = {} if kind == "block" else {"slices": (1, 4)}
    methods = LINEAR if kind == "plane" else ("gradient", "integrated-gradients")
    result = run_plan(plan(image, model, *methods, target="sick", **fields), Services())
    whole = load_package(model)
    prepared = whole.prepare(result.volume, fields.get("slices"))
    expected = explain(
        whole.network, prepared.inputs, list(methods), 1, baseline=whole.baseline(prepared), seed=0, batch_size=7
    )
    for name, found in maps_of(result).items():
        theirs = whole.project(expected[name].signed, prepared)
        np.testing.assert_allclose(found, theirs, atol=2e-4 * float(np.nanmax(np.abs(theirs))), err_msg=name)


def test_a_class_activation_map_is_the_mean_of_the_folds_own(image: Path, ensemble: Path) -> None:
    single = [
        run_plan(plan(image, ensemble, "grad-cam", target="sick", fold=name), Services()).maps[0] for name in FOLDS
    ]
    amap = run_plan(plan(image, ensemble, "grad-cam", target="sick"), Services()).maps[0]
    mean = np.mean([one.array for one in single], axis=0)
    np.testing.assert_allclose(amap.array, mean, rtol=1e-5, atol=1e-7 * float(np.nanmax(np.abs(mean))))
    assert amap.provenance.fold == "mean"
    assert "mean of the maps of folds a, b, c" in amap.provenance.notes
    assert [one.provenance.fold for one in single] == list(FOLDS)
    assert amap.logit == pytest.approx(np.mean([one.logit for one in single]))
    assert amap.provenance.model_hash not in {one.provenance.model_hash for one in single}


def test_the_result_says_which_fold_answered(image: Path, ensemble: Path) -> None:
    new = run_plan(plan(image, ensemble), Services())
    assert (new.fold, new.is_training_case, new.warnings) == ("mean", False, ())
    held_out = run_plan(plan(image, ensemble), Services(), known_as=("sub-2",))
    assert (held_out.fold, held_out.is_training_case) == ("c", False)
    assert held_out.model_hash == load_package(ensemble, fold="c").model_hash
    trained = run_plan(plan(image, ensemble, fold="a"), Services(), known_as=("sub-2",))
    assert (trained.fold, trained.is_training_case) == ("a", True)
    assert "trained on" in trained.warnings[0]
    with pytest.raises(UserError, match="no fold 'x'"):
        run_plan(plan(image, ensemble, fold="x"), Services())


def test_the_patient_in_the_file_is_looked_up_and_told_nowhere(plane_ensemble: Path, tmp_path: Path) -> None:
    from saliency_viewer.phantoms import brain_phantom, write_dicom_mr

    write_dicom_mr(brain_phantom(seed=1), tmp_path / "study")
    for path in (tmp_path / "study").rglob("*"):
        if path.is_file():
            dataset = pydicom.dcmread(path)
            dataset.PatientID = "pat-1"
            dataset.save_as(path)
    outcome = explain_study(
        plan(tmp_path / "study", plane_ensemble, fold="a", slices=(5,)), Services(), tmp_path / "out"
    )
    assert outcome.result.is_training_case
    assert "Fold b was not" in outcome.result.warnings[-1] + outcome.result.warnings[0]
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"pat-1" not in path.read_bytes()


@pytest.fixture
def table(make_image: Callable[..., Path], tmp_path: Path) -> Callable[[list[str]], Path]:
    """Write a cohort of these lines beside four images."""

    def write(lines: list[str]) -> Path:
        for number in range(4):
            make_image(tmp_path / "cohort" / f"{number}.nii.gz", seed=number)
        path = tmp_path / "cohort" / "cohort.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def entries(out: Path) -> dict[str, dict[str, Any]]:
    return {case["subject"]: case for case in json.loads((out / "manifest.json").read_text())["cases"]}


def notes(out: Path) -> dict[str, set[bool]]:
    found: dict[str, set[bool]] = {}
    with (out / "attribution_statistics.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["subject"], set()).add(row["note"].startswith("training case"))
    return found


def test_every_subject_of_a_cohort_goes_to_its_own_fold(
    ensemble: Path, tmp_path: Path, table: Callable[[list[str]], Path]
) -> None:
    path = table(
        [
            "subject,patient,image,fold,age",
            "sub-0,pat-0,0.nii.gz,,40",  # listed
            "sub-1,pat-1,1.nii.gz,,41",  # its patient is listed
            "sub-2,pat-2,2.nii.gz,a,42",  # the column says another than the list
            "sub-9,pat-9,3.nii.gz,,43",  # all were trained on it
        ],
    )
    services = Services()
    cases = read_cohort(path, services.study)
    assert [case.fold for case in cases] == ["", "", "a", ""]
    assert cases[0].covariates == {"age": "40"}
    run_batch(cases, plan("", ensemble), services, tmp_path / "out")
    found = entries(tmp_path / "out")
    assert {name: (case["model"]["fold"], case["training_case"]) for name, case in found.items()} == {
        "sub-0": ("a", False),
        "sub-1": ("b", False),
        "sub-2": ("a", True),
        "sub-9": ("mean", True),
    }
    assert notes(tmp_path / "out") == {"sub-0": {False}, "sub-1": {False}, "sub-2": {True}, "sub-9": {True}}
    assert [bool(case["warnings"]) for case in found.values()] == [False, False, True, True]
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["models"]) == 3


def test_a_cohorts_folds_mean_nothing_to_a_single_network(
    block_model: Path, tmp_path: Path, table: Callable[[list[str]], Path]
) -> None:
    path = table(["subject,image,fold", "sub-0,0.nii.gz,2"])
    services = Services()
    report = run_batch(read_cohort(path, services.study), plan("", block_model), services, tmp_path / "out")
    assert (report.done, report.failures) == (1, ())
    assert entries(tmp_path / "out")["sub-0"]["model"]["fold"] == ""


def test_a_fold_that_is_not_there_fails_its_case_alone(
    ensemble: Path, tmp_path: Path, table: Callable[[list[str]], Path]
) -> None:
    path = table(["subject,image,fold", "x,0.nii.gz,z", "y,1.nii.gz,b"])
    services = Services()
    report = run_batch(read_cohort(path, services.study), plan("", ensemble), services, tmp_path / "out")
    assert (report.done, [failure.subject for failure in report.failures]) == (1, ["x"])
    assert "no fold 'z'" in report.failures[0].error.message


def test_an_ordinary_package_flags_its_training_cases(image: Path, tmp_path: Path) -> None:
    text = CARD_3D.replace('version = "0.1"', 'version = "0.1"\ntraining_cases = "training.csv"')
    write_package(tmp_path / "p", text, states()["a"])
    (tmp_path / "p" / "training.csv").write_text(f"case\n{case_digest('sub-0')}\n")
    known = explain_study(plan(image, tmp_path / "p"), Services(), tmp_path / "known", fields=CaseFields("sub-0"))
    assert known.result.is_training_case
    assert {row.note.startswith("training case") for row in known.rows} == {True}
    other = explain_study(plan(image, tmp_path / "p"), Services(), tmp_path / "new", fields=CaseFields("sub-7"))
    assert not other.result.is_training_case
    assert not any(row.note.startswith("training case") for row in other.rows)


def test_a_list_that_changed_is_read_again(image: Path, ensemble: Path, tmp_path: Path) -> None:
    import os
    import shutil

    copy = Path(shutil.copytree(ensemble, tmp_path / "copy"))
    services = Services()
    assert run_plan(plan(image, copy), services, known_as=("sub-0",)).fold == "a"
    (copy / "held_out.csv").write_text(f"case,fold\n{case_digest('sub-0')},b\n")
    os.utime(copy / "held_out.csv", (1, 1))
    assert run_plan(plan(image, copy), services, known_as=("sub-0",)).fold == "b"


def test_a_model_object_may_be_one_fold(ensemble: Path, image: Path) -> None:
    volume = Services().image(ImageReference(str(image))).volume
    single = [load_model(ensemble, fold=name).predict(volume).logits for name in FOLDS]
    whole = load_model(ensemble)
    np.testing.assert_allclose(whole.predict(volume).logits, np.mean(single, axis=0), rtol=1e-6)
    amap = whole.explain(volume, "gradient", "sick")
    assert amap.provenance.fold == "mean"


def test_the_command_takes_a_fold(
    image: Path, ensemble: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from saliency_viewer.cli import run

    command = ["explain", str(image), "--model", str(ensemble), "--method", "gradient", "--subject", "sub-0"]
    assert run([*command, "--fold", "b", "--out", str(tmp_path / "b")]) == 0
    assert "trained on" in capsys.readouterr().err
    assert entries(tmp_path / "b")["sub-0"]["model"]["fold"] == "b"
    assert run([*command, "--out", str(tmp_path / "own")]) == 0
    assert entries(tmp_path / "own")["sub-0"]["model"]["fold"] == "a"
    assert run([*command, "--fold", "z", "--out", str(tmp_path / "z")]) == 2
    assert "no fold 'z'" in capsys.readouterr().err
