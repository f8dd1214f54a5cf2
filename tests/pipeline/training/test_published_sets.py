"""Miniature RSNA and SIIM-ACR trees in their published layouts, trained on from the folder to the report."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, roc_auc_score

import saliency_viewer as sv
from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest, TrainingPlan, TrainingSettings
from saliency_viewer.models import read_card, read_case_lists
from saliency_viewer.phantoms.trees import TreeCase, make_rsna, make_siim
from saliency_viewer.pipeline import BatchOptions, Services, image_hash, read_cohort, run_batch, run_training
from saliency_viewer.pipeline.folds import choose_fold

pytestmark = pytest.mark.slow

SETS = {"rsna": (make_rsna, "pneumonia", "opacity"), "siim": (make_siim, "pneumothorax", "pneumothorax")}
SETTINGS = TrainingSettings(epochs=6, batch_size=8, size=64, learning_rate=3e-3)
LEAST_AUC = 0.95  # six other trees and seeds gave 0.979 to 1


@dataclass(frozen=True)
class Trained:
    name: str
    truth: list[TreeCase]
    package: Path
    report: dict

    @property
    def cohort_file(self) -> Path:
        return self.package.with_name("package.cohort.csv")

    @property
    def cohort(self) -> list[dict[str, str]]:
        with self.cohort_file.open(newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture(scope="module", params=list(SETS))
def trained(request, tmp_path_factory, module_home):
    folder = tmp_path_factory.mktemp(request.param)
    truth = SETS[request.param][0](folder / "tree", 160, pixels=96, plain=True)
    plan = TrainingPlan(request.param, str(folder / "tree"), "small-cnn-2d", str(folder / "package"), SETTINGS)
    outcome = run_training(plan)
    assert outcome.page == folder / "package" / "report" / "report.html"
    report = json.loads((folder / "package" / "report" / "report.json").read_text())
    return Trained(request.param, truth, folder / "package", report)


def test_patients_never_seen_reach_the_named_auc(trained):
    assert trained.report["judged_on"] == "test"
    assert trained.report["test"]["cases"] >= 20
    assert trained.report["auc"] >= LEAST_AUC
    low, high = trained.report["test"]["by_class"][SETS[trained.name][1]]["auc_interval_95"]
    assert 0.5 < low <= trained.report["auc"] <= high <= 1


def test_the_package_answers_as_the_report_says(trained):
    model = sv.load_model(trained.package)
    predictions = [model.predict(sv.open_study(row["image"]).choose().load()) for row in trained.cohort]
    true = [row["label"] for row in trained.cohort]
    assert model.classes[1] == SETS[trained.name][1]
    scores = [prediction.probabilities[1] for prediction in predictions]
    assert roc_auc_score([label == model.classes[1] for label in true], scores) == trained.report["auc"]
    counts = confusion_matrix(true, [prediction.label for prediction in predictions], labels=list(model.classes))
    assert counts.tolist() == trained.report["test"]["confusion"]["counts"]
    assert model.card.output.threshold == pytest.approx(trained.report["threshold"], rel=1e-5)
    assert model.card.explain.target == model.classes[1]


def test_regions_of_the_cohort_are_the_findings_and_batch_takes_it_as_it_is(trained, tmp_path):
    truth = {str(case.image): case for case in trained.truth}
    cases = read_cohort(trained.cohort_file, lambda _: pytest.fail("a table needs no study"))
    with_regions = [case for case in cases if case.regions]
    assert len(with_regions) == sum(truth[case.image.path].label for case in cases)
    for case in with_regions:
        known = truth[case.image.path].mask
        geometry = sv.open_study(case.image.path).choose().load().geometry
        found = sv.load_regions(case.regions[0], geometry).mask(SETS[trained.name][2])
        if trained.name == "siim":
            np.testing.assert_array_equal(found, known)
        else:  # the box around it; of a finding in two boxes both
            assert found[known].all()
            assert (found.any(axis=1) == known.any(axis=1)).all()
    plan = AnalysisPlan(ImageReference(""), str(trained.package), (MethodRequest("grad-cam"),))
    report = run_batch(with_regions[:2], plan, Services(), tmp_path / "out", BatchOptions())
    assert (report.done, report.failures) == (2, ())
    assert (tmp_path / "out" / "grad-cam" / with_regions[0].fields.subject).is_dir()


def test_the_evidence_is_denser_on_the_finding_than_beside_it(trained):
    found = trained.report["localisation"]
    assert found["finding"] == SETS[trained.name][2]
    assert found["explained"] == found["cases_with_known_finding"] > 5
    assert found["failed"] == 0
    assert found["statistics"]["enrichment"]["mean"] > 2
    assert found["statistics"]["pointing_hit"]["chance"] < 0.05


def test_images_of_one_patient_are_on_one_side_and_training_images_are_named_by_digest(trained):
    with (trained.package / "report" / "splits.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    sides = {}
    for row in rows:
        sides.setdefault(row["subject"], set()).add(row["split"])
    assert len(rows) == 160
    assert len(sides) == len({case.patient for case in trained.truth})
    assert all(len(one) == 1 for one in sides.values())
    with (trained.package / "training_cases.csv").open(newline="") as stream:
        seen = {row["case"] for row in csv.DictReader(stream)}
    digests = {str(case.image): image_hash(sv.open_study(case.image).choose().load()) for case in trained.truth}
    held = {row["image"] for row in trained.cohort}
    assert {path for path, digest in digests.items() if digest not in seen} == held
    assert len(seen) + len(held) == 160
    card, _ = read_card(trained.package)
    lists = read_case_lists(trained.package, card)
    for path, digest in digests.items():
        assert choose_fold(card, lists, "", (), digest).is_training_case is (path not in held)


def test_nothing_in_the_package_leads_back_to_a_patient(trained):
    secrets = {case.patient.encode() for case in trained.truth if len(case.patient) > 5}
    secrets |= {case.image.stem.encode() for case in trained.truth} | {str(trained.package.parent).encode()}
    assert any(secret in trained.cohort_file.read_bytes() for secret in secrets)  # they are what paths give away
    for path in trained.package.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path.name


def test_the_report_is_whole_and_nothing_else_stays(trained):
    folder = trained.package / "report"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "report.html",
        "report.json",
        "manifest.json",
        "history.csv",
        "splits.csv",
        "localisation.csv",
        "regions",
        *(f"{name}.png" for name in ("roc", "calibration", "confusion", "curves")),
    }
    for name in ("roc", "calibration", "confusion", "curves"):
        assert len(np.unique(np.asarray(Image.open(folder / f"{name}.png")).reshape(-1, 3), axis=0)) > 10
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert f"{trained.report['auc']:.3f}" in page
    with (folder / "history.csv").open(newline="") as stream:
        epochs = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in epochs] == list(range(1, len(epochs) + 1))
    assert {path.name for path in trained.package.parent.iterdir()} == {"tree", "package", "package.cohort.csv"}
