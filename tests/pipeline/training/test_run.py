import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

import saliency_viewer as sv
from saliency_viewer.domain import EpochFigures
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.pipeline import check_training, read_cohort, run_training
from saliency_viewer.runtime.context import RunContext


def report_of(plan):
    return json.loads((Path(plan.out) / "report" / "report.json").read_text())


def files_of(plan, *names):
    return [(Path(plan.out) / name).read_bytes() for name in names]


def test_a_stopped_and_resumed_training_gives_the_package_of_an_uninterrupted_one(pictures, plan_for):
    table = pictures()
    whole, cut = plan_for(table, "whole"), plan_for(table, "cut")
    run_training(whole)
    heard = []

    def cancel():
        return len(heard) >= 2

    with pytest.raises(Cancelled):
        run_training(cut, RunContext(cancel=cancel), heard.append)
    assert not Path(cut.out).exists()
    assert (Path(cut.out).with_name("cut.training") / "checkpoint.safetensors").exists()
    again = []
    outcome = run_training(cut, on_epoch=again.append, resume=True)
    assert [figures.epoch for figures in again] == [1, 2, 3]
    assert again[:2] == heard
    assert isinstance(outcome.history[0], EpochFigures)
    names = ("model.toml", "weights.safetensors", "SHA256SUMS", "training_cases.csv", "report/splits.csv")
    assert files_of(whole, *names) == files_of(cut, *names)
    assert not Path(cut.out).with_name("cut.training").exists()


def test_resuming_with_other_settings_is_refused(pictures, plan_for):
    table = pictures()
    heard = []
    with pytest.raises(Cancelled):
        run_training(plan_for(table), RunContext(cancel=lambda: bool(heard)), heard.append)
    with pytest.raises(UserError, match=r"differs in batch size \(8 then, 4 now\)"):
        run_training(plan_for(table, batch_size=4), resume=True)


def test_resuming_what_never_began_begins(pictures, plan_for):
    assert len(run_training(plan_for(pictures(), epochs=1), resume=True).history) == 1


def stopped(plan):
    """A training that somebody stopped after its first epoch; its checkpoint."""
    heard = []
    with pytest.raises(Cancelled):
        run_training(plan, RunContext(cancel=lambda: bool(heard)), heard.append)
    return Path(plan.out).with_name(f"{Path(plan.out).name}.training") / "checkpoint.safetensors"


def test_a_finished_package_is_not_replaced_without_being_asked(pictures, plan_for):
    plan = plan_for(pictures(), epochs=1)
    run_training(plan)
    before = (Path(plan.out) / "SHA256SUMS").stat().st_mtime_ns
    with pytest.raises(UserError, match="finished package") as caught:
        run_training(plan)
    assert "--anew" in caught.value.hint
    assert (Path(plan.out) / "SHA256SUMS").stat().st_mtime_ns == before
    assert "A finished package is there already: --anew replaces it." in check_training(plan)


def test_a_stopped_training_is_not_replaced_without_being_asked(pictures, plan_for):
    plan = plan_for(pictures(), epochs=2)
    checkpoint = stopped(plan)
    before = checkpoint.read_bytes()
    with pytest.raises(UserError, match="was stopped") as caught:
        run_training(plan)
    assert all(way in caught.value.hint for way in ("--resume", "--anew", "another folder"))
    assert checkpoint.read_bytes() == before
    said = []
    context = RunContext(lambda _, text: said.append(text), lambda: any("Epoch 1" in text for text in said))
    with pytest.raises(Cancelled):  # before its first epoch is over
        run_training(plan, context, anew=True)
    assert not checkpoint.exists()
    stopped(plan)
    assert len(run_training(plan, anew=True).history) == 2


def test_what_stands_in_the_place_of_the_cohort_is_not_replaced(pictures, plan_for):
    plan = plan_for(pictures(), epochs=1)
    place = Path(plan.out).with_name("package.cohort.csv")
    place.write_text("name,age\n")
    with pytest.raises(UserError, match="no training wrote"):
        run_training(plan)
    assert place.read_text() == "name,age\n"
    place.unlink()
    said = run_training(plan).sentences
    assert any("package.cohort.csv, beside the package," in one for one in said)
    run_training(plan, anew=True)  # its own may be replaced


def test_regions_of_the_cohort_are_found_from_where_it_stands(pictures, plan_for, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    plan = plan_for(pictures(masks=True), epochs=1)
    with pytest.raises(UserError, match="the very folder that the program was started in"):
        run_training(replace(plan, out="."))
    run_training(replace(plan, out="../here/there"))
    cases = read_cohort(tmp_path / "here" / "there.cohort.csv", lambda _: pytest.fail("a table needs no study"))
    assert all(path.is_file() for case in cases for path in case.regions)
    assert any(case.regions for case in cases)


def test_progress_never_goes_back_and_ends_at_one(pictures, plan_for):
    said = []
    run_training(plan_for(pictures(), epochs=2), RunContext(lambda fraction, words: said.append((fraction, words))))
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    words = " ".join(words for _, words in said)
    for part in ("Preparing images", "Epoch 2", "Judging the test cases", "Writing the report"):
        assert part in words


def test_a_folder_with_other_files_is_refused_before_anything_is_read(pictures, plan_for):
    plan = plan_for(pictures())
    Path(plan.out).mkdir()
    (Path(plan.out) / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        run_training(plan, RunContext(lambda *_: pytest.fail("something was read")))
    assert (Path(plan.out) / "diary.txt").read_text() == "mine"


def test_a_file_in_the_packages_place_is_refused_before_anything_is_read(pictures, plan_for):
    plan = plan_for(pictures())
    Path(plan.out).write_text("mine")
    with pytest.raises(UserError, match="A file stands where"):
        run_training(plan, RunContext(lambda *_: pytest.fail("something was read")))


def test_an_older_package_is_replaced_with_its_report(pictures, plan_for):
    plan = plan_for(pictures(), epochs=1)
    run_training(plan)
    (Path(plan.out) / "report" / "old.txt").write_text("old")
    run_training(plan, anew=True)
    assert not (Path(plan.out) / "report" / "old.txt").exists()
    assert sv.load_model(plan.out).classes == ("kind 0", "kind 1")


def truncated(table, *numbers):
    """Pictures whose header can be read and whose pixels cannot."""
    for number in numbers:
        path = table.parent / f"scan {number}.png"
        path.write_bytes(path.read_bytes()[:200])


def test_a_few_images_that_cannot_be_decoded_are_left_out_and_said(pictures, plan_for):
    table = pictures()
    truncated(table, 7)
    said = []
    run_training(plan_for(table, epochs=1), say=said.append)
    assert any("1 image of 40 cannot be used" in words for words in said)
    assert not any("scan" in words or "Doe" in words for words in said)
    rows = (plan_for(table).out, "report", "splits.csv")
    assert len(Path(*rows).read_text().splitlines()) == 1 + 39


def test_many_images_that_cannot_be_decoded_are_an_error(pictures, plan_for):
    table = pictures()
    truncated(table, *range(6))
    with pytest.raises(UserError, match="6 of 40 images cannot be used"):
        run_training(plan_for(table))


def test_a_calibrated_package_has_its_temperature_in_the_head(pictures, plan_for):
    table = pictures()
    plain, calibrated = plan_for(table, "plain"), plan_for(table, "calibrated", calibrate=True)
    for plan in (plain, calibrated):
        run_training(plan)
    temperature = report_of(plain)["temperature"]["fitted_on_validation"]
    assert report_of(calibrated)["temperature"] == {"fitted_on_validation": temperature, "in_the_weights": True}
    first, second = (sv.load_model(plan.out) for plan in (plain, calibrated))
    volume = sv.open_study(table.parent / "scan 3.png").choose().load()
    np.testing.assert_allclose(second.predict(volume).logits * temperature, first.predict(volume).logits, rtol=1e-4)
    assert report_of(plain)["auc"] == report_of(calibrated)["auc"]
    both = [report_of(plan)["calibration"] for plan in (plain, calibrated)]
    for name in both[0]:
        assert both[0][name] == pytest.approx(both[1][name], rel=1e-3)
    assert report_of(calibrated)["test"]["log_loss"] == pytest.approx(both[1]["with_temperature"]["log_loss"], rel=1e-9)


def test_three_classes_have_curves_each_and_no_threshold(pictures, plan_for):
    plan = plan_for(pictures(60, classes=3, masks=True), epochs=4)
    run_training(plan)
    report = report_of(plan)
    assert report["threshold"] is None
    assert set(report["test"]["by_class"]) == {"kind 0", "kind 1", "kind 2"}
    assert np.shape(report["test"]["confusion"]["counts"]) == (3, 3)
    assert report["auc"] > 0.8
    card = sv.load_model(plan.out).card
    assert (card.output.threshold, card.explain.target) == (None, None)
    assert report["localisation"]["explained"] > 0


def test_without_test_cases_the_validation_cases_are_judged_and_said_to_be(pictures, plan_for):
    plan = plan_for(pictures(), epochs=1, test=0.0)
    outcome = run_training(plan)
    report = report_of(plan)
    assert (report["judged_on"], report["test"]) == ("validation", None)
    assert report["auc"] == report["validation"]["auc"]
    assert "validation images" in outcome.sentences[0]
    assert report["localisation"] is None


def test_a_label_that_looks_like_markup_is_text_in_the_page(pictures, plan_for):
    table = pictures()
    table.write_text(table.read_text().replace("kind 1", "<script>alert(1)</script>"))
    outcome = run_training(plan_for(table, epochs=1))
    page = outcome.page.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_manifest_says_how_without_saying_where(pictures, plan_for, tmp_path):
    plan = plan_for(pictures(), epochs=1, seed=4)
    run_training(plan)
    manifest = json.loads((Path(plan.out) / "report" / "manifest.json").read_text())
    assert manifest["plan"]["settings"]["epochs"] == 1
    assert manifest["seed"] == 4
    assert manifest["libraries"]["torch"]
    assert sum(part["cases"] for part in manifest["data"].values()) == 40
    assert len({part["sha256"] for part in manifest["data"].values()}) == 3
    assert str(tmp_path) not in json.dumps(manifest)


def write_volumes(folder, count):
    """NIfTI volumes with oblique, anisotropic voxels; every second one has a bright ball, and its mask."""
    random = np.random.default_rng(0)
    angle = np.deg2rad(10.0)
    affine = np.diag([1.5, 1.5, 3.0, 1.0])
    affine[:2, :2] = 1.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine[:3, 3] = 9, 4, -7
    x, y, z = np.ogrid[:30, :32, :16]
    rows = ["image,label,patient,mask"]
    folder.mkdir()
    for number in range(count):
        ball = (x - 9 - number % 5) ** 2 + (y - 14) ** 2 + (2 * (z - 7)) ** 2 < 36
        values = random.normal(300, 30, (30, 32, 16)) + (200 * ball if number % 2 else 0)
        nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), folder / f"v{number}.nii.gz")
        if number % 2:
            nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), affine), folder / f"m{number}.nii.gz")
        rows.append(
            f"v{number}.nii.gz,{('HC', 'TLE')[number % 2]},p{number},{f'm{number}.nii.gz' if number % 2 else ''}"
        )
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder / "cases.csv"


def test_volumes_of_a_table_are_trained_on_and_their_findings_found(tmp_path, plan_for):
    plan = plan_for(write_volumes(tmp_path / "set", 28), "p", "small-cnn-3d", epochs=6, size=16, batch_size=4)
    run_training(plan)
    report = report_of(plan)
    assert report["auc"] >= 0.9
    assert report["localisation"]["statistics"]["enrichment"]["mean"] > 1.2
    card = sv.load_model(plan.out).card
    assert card.input.layout == "3d"
    assert card.input.spacing == (3.0, 3.0, 3.0)


@pytest.mark.slow
def test_monais_densenet_trains_on_volumes(tmp_path, plan_for):
    plan = plan_for(write_volumes(tmp_path / "set", 16), "p", "DenseNet121 3D", epochs=1, size=32, batch_size=4)
    said = []
    outcome = run_training(plan, say=said.append)
    assert any("single position" in words for words in said)
    model = sv.load_model(plan.out)
    assert model.card.architecture == "monai:DenseNet121"
    prediction = model.predict(sv.open_study(tmp_path / "set" / "v1.nii.gz").choose().load())
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert len(outcome.history) == 1


def test_a_finished_training_is_not_started_anew_by_resuming_it(pictures, plan_for):
    plan = plan_for(pictures(), epochs=1)
    run_training(plan)
    before = (Path(plan.out) / "weights.safetensors").read_bytes()
    with pytest.raises(UserError, match="This training is finished"):
        run_training(plan, resume=True)
    assert (Path(plan.out) / "weights.safetensors").read_bytes() == before
