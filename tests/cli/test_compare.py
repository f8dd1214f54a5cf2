from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from tiny_card import CARD

from saliency_viewer.cli import run
from saliency_viewer.domain import (
    AnalysisResult,
    AttributionMap,
    Comparison,
    Contender,
    Prediction,
    Provenance,
    Validity,
    Volume,
)
from saliency_viewer.models.card import parse_card
from saliency_viewer.pipeline import named, strongest_slice
from saliency_viewer.render import comparison_figure
from saliency_viewer.spatial import Geometry

METHODS = ("gradient", "grad-cam")


@pytest.fixture
def twin(model: Path, tmp_path: Path) -> Path:
    """The same architecture with other weights, under the same name."""
    import torch

    from saliency_viewer.models import load_package, write_package

    found = load_package(model)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = {key: value + 0.1 * torch.randn(value.shape) for key, value in found.network.state_dict().items()}
    write_package(tmp_path / "twin", found.card, state)
    return tmp_path / "twin"


def compare(image: Path, out: Path, *more: str) -> int:
    return run(["compare", str(image), "--out", str(out), "--threads", "1", "--method", *METHODS, *more])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_compare_writes_maps_numbers_disagreement_and_figure(
    image: Path, model: Path, twin: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert compare(image, out, "--model", str(model), "--model", str(twin), "--regions", str(mask)) == 0
    rows = rows_of(out / "agreement.csv")
    between = [row for row in rows if row["relation"] == "repeatability"]
    assert {(row["model_a"], row["model_b"]) for row in between} == {("Tiny block", "Tiny block (2)")}
    assert {row["method_a"] for row in between} == set(METHODS)
    assert sum(row["statistic"] == "mass_fraction_difference" for row in between) == 2 * len(METHODS)
    assert {row["relation"] for row in rows} == {"repeatability", "same model"}
    for over in ("gradient_over_models", "grad-cam_over_models"):
        values = np.load(out / "disagreement" / f"{over}.npy")
        stored = nibabel.load(out / "disagreement" / f"{over}.nii.gz")
        np.testing.assert_array_equal(np.asarray(stored.dataobj).transpose(2, 1, 0), values)
        np.testing.assert_allclose(stored.affine, nibabel.load(image).affine, atol=1e-4)
        assert np.nanmin(values) >= 0.0
        assert np.nanmax(values) <= 1.0
    with Image.open(out / "comparison.png") as figure:
        assert figure.size[0] > 600
    manifest = json.loads((out / "manifest.json").read_text())
    assert [case["subject"] for case in manifest["cases"]] == ["Tiny block", "Tiny block (2)"]
    assert all((out / item["path"]).is_file() for item in manifest["outputs"])
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    said = capsys.readouterr().out
    assert "repeatability" in said
    assert "by chance up to" in said


def test_the_maps_are_those_of_explain(image: Path, model: Path, twin: Path, tmp_path: Path) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    assert compare(image, out, "--model", str(model), str(twin)) == 0
    explain = ["explain", str(image), "--model", str(twin), "--out", str(alone), "--threads", "1", "--method", *METHODS]
    assert run(explain) == 0
    for method in METHODS:
        (ours,) = out.glob(f"Tiny-block-2*/{method}/*/*_attributions.npy")
        (theirs,) = alone.glob(f"{method}/*/*_attributions.npy")
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_model_that_fails_is_named_and_the_others_are_compared(
    image: Path, model: Path, twin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "weights.safetensors").write_bytes(b"nothing")
    models = ("--model", str(model), str(broken), str(twin))
    assert compare(image, tmp_path / "out", *models) == 1
    assert "could not be asked" in capsys.readouterr().err
    rows = rows_of(tmp_path / "out" / "agreement.csv")
    assert {(row["model_a"], row["model_b"]) for row in rows if row["relation"] == "repeatability"} == {
        ("Tiny block", "Tiny block (3)")
    }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [case["status"] for case in manifest["cases"]] == ["done", "failed", "done"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--model", "MODEL", "--layer", "3=features"), "names no model's layer"),
        (("--model", "MODEL", "--levels", "2"), "levels"),
        (("--model", "MODEL", "--slice", "7"), "no slice 7. Slices go from 0 to 6"),
        (("--model", "MODEL", "/nowhere/at/all"), "no such model package"),
        ((), "No model"),
    ],
)
def test_bad_usage_is_one_sentence(
    image: Path, model: Path, tmp_path: Path, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(image, tmp_path / "out", *(str(model) if part == "MODEL" else part for part in more)) == 2
    assert said in capsys.readouterr().err


def test_one_model_and_one_method_are_nothing_to_compare(
    image: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(image), "--model", str(model), "--out", str(tmp_path / "out")]
    assert run(arguments) == 2
    assert "nothing to compare" in capsys.readouterr().err


def test_slice_wise_models_are_asked_about_the_same_slices_and_the_same_class(image: Path, tmp_path: Path) -> None:
    """Left to themselves each would choose its own key slices, and no two maps would have a voxel in common."""
    import torch

    from saliency_viewer.models import write_package
    from saliency_viewer.models.builtin import SmallCNN

    card = CARD.replace("small-cnn-3d", "small-cnn-2d").replace('"3d"', '"2d"').replace("[8, 24, 20]", "[24, 20]")
    with torch.random.fork_rng():
        for seed in range(3):
            torch.manual_seed(seed)
            network = SmallCNN(2, width=4, downsamplings=1)
            write_package(tmp_path / f"m{seed}", card, network.state_dict())
    out = tmp_path / "out"
    assert compare(image, out, "--model", *(str(tmp_path / f"m{seed}") for seed in range(3))) == 0
    rows = [row for row in rows_of(out / "agreement.csv") if row["statistic"] == "rank_correlation"]
    assert len(rows) == 2 * 3 + 3
    assert all(row["value"] for row in rows)
    assert not any(row["note"] for row in rows)


def test_one_network_under_two_names_is_no_repetition(image: Path, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "other")
    assert compare(image, tmp_path / "out", "--model", str(model), str(tmp_path / "other")) == 0
    rows = [row for row in rows_of(tmp_path / "out" / "agreement.csv") if row["model_a"] != row["model_b"]]
    assert {row["relation"] for row in rows} == {"unknown"}
    assert {row["note"] for row in rows if row["statistic"] == "rank_correlation"} == {"one network twice"}


def test_a_class_that_a_model_does_not_have_is_left_to_it(image: Path, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "model.toml").write_text(CARD.replace('"well", "sick"', '"no", "yes"'))
    assert compare(image, tmp_path / "out", "--model", str(model), str(other), "--target", "sick") == 0
    rows = [row for row in rows_of(tmp_path / "out" / "agreement.csv") if row["relation"] == "repeatability"]
    assert all("targets differ: sick" in row["note"] for row in rows if not row["region"])


@pytest.fixture
def ensemble(model: Path, tmp_path: Path) -> Path:
    """Two folds of the same architecture."""
    import torch

    from saliency_viewer.models import load_package, write_ensemble

    found = load_package(model)
    state = found.network.state_dict()
    other = {key: value + torch.ones_like(value) / 10 for key, value in state.items()}
    write_ensemble(tmp_path / "ensemble", found.card, {"a": state, "b": other})
    return tmp_path / "ensemble"


def test_a_fold_is_chosen_of_the_ensemble_and_the_single_network_says_so(
    image: Path, model: Path, ensemble: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert compare(image, out, "--model", str(model), str(ensemble), "--fold", "a") == 0
    said = capsys.readouterr().err
    assert "warning: Tiny block: This model is a single network" in said
    assert said.count("without a choice of fold") == 1
    rows = [row for row in rows_of(out / "agreement.csv") if row["relation"] == "repeatability"]
    assert {row["value"] for row in rows if row["statistic"] == "peak_distance"} == {"0"}  # fold a is that network
    assert all(float(row["value"]) > 0.999 for row in rows if row["statistic"] == "rank_correlation")


def test_a_fold_that_no_model_can_have_is_refused(
    image: Path, model: Path, twin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(image, tmp_path / "out", "--model", str(model), str(twin), "--fold", "a") == 2
    assert "None of these models is an ensemble" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_never_collide() -> None:
    contenders = [Contender(name, "") for name in ("Net", "Net (2)", "Net", "", "")]
    assert [one.name for one in named(contenders)] == ["Net", "Net (2)", "Net (3)", "model 4", "model 5"]


def _comparison(*arrays: np.ndarray, one_sided: bool = False) -> Comparison:
    """One model with these maps, or as many with one each."""
    contenders = []
    for array in arrays:
        geometry = Geometry.from_spacing(array.shape)
        made = Provenance("gradient", {}, "sick", 0)
        amap = AttributionMap(array, geometry, "gradient", "sick", Validity("verified"), made, one_sided=one_sided)
        volume = Volume(np.zeros(array.shape, np.int16), geometry, "CT")
        said = Prediction(("well", "sick"), np.zeros(2), np.full(2, 0.5), 1)
        result = AnalysisResult(volume, said, (amap,), parse_card(CARD), "ab", "cd")
        contenders.append(Contender(f"model {len(contenders)}", "", result))
    return Comparison(tuple(contenders), ("gradient",))


def _slices(*values: float) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.float32)[:, None, None], (len(values), 2, 3)).copy()


def test_the_strongest_slice_is_that_of_all_maps_together_whatever_their_units() -> None:
    # shares 0.5 0.5 0 and 0 0.4 0.6: together 0.5 0.9 0.6, while the raw sums would choose the last slice
    comparison = _comparison(_slices(1.0, -1.0, 0.0), _slices(0.0, 400.0, 600.0))
    assert strongest_slice(comparison) == 1
    assert strongest_slice(comparison, (2, 0)) == 2
    assert strongest_slice(_comparison(_slices(-9.0, 1.0, np.nan), one_sided=True)) == 1
    assert strongest_slice(_comparison(_slices(0.0, 0.0, 0.0))) == 1


def test_the_figure_shows_the_strongest_slice_or_the_one_asked_for(
    image: Path, model: Path, twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, str]] = []

    def watched(comparison, index, **look):
        drawn.append((index, look["why"]))
        return comparison_figure(comparison, index, **look)

    monkeypatch.setattr("saliency_viewer.pipeline.comparison_files.comparison_figure", watched)
    models = ("--model", str(model), str(twin))
    assert compare(image, tmp_path / "out", *models) == 0
    maps = [np.load(path).astype(np.float64) for path in sorted((tmp_path / "out").glob("Tiny*/*/*/*.npy"))]
    grad_cam = [path.parent.parent.name == "grad-cam" for path in sorted((tmp_path / "out").glob("Tiny*/*/*/*.npy"))]
    shown = [np.maximum(array, 0.0) if cam else np.abs(array) for array, cam in zip(maps, grad_cam, strict=True)]
    assert len(shown) == 4
    share = sum(np.nansum(array, axis=(1, 2)) / np.nansum(array) for array in shown)
    assert drawn[0] == (int(np.argmax(share)), "where the maps of all models together are strongest")
    drawn.clear()
    assert compare(image, tmp_path / "asked", *models, "--slice", "3") == 0
    assert drawn[0] == (3, "")
    drawn.clear()
    assert compare(image, tmp_path / "some", *models, "--slices", "0,6") == 0
    assert drawn[0][0] == max((0, 6), key=lambda index: share[index])
    assert [index for index, _ in drawn[1:]] == [0, 6]


def test_a_slice_that_no_map_reaches_is_said(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from saliency_viewer.models import write_package
    from saliency_viewer.models.builtin import SmallCNN

    card = CARD.replace("small-cnn-3d", "small-cnn-2d").replace('"3d"', '"2d"').replace("[8, 24, 20]", "[24, 20]")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_package(tmp_path / "m", card, SmallCNN(2, width=4, downsamplings=1).state_dict())
    asked = ("--model", str(tmp_path / "m"), "--slices", "2,3")
    assert compare(image, tmp_path / "out", *asked, "--slice", "5") == 0
    assert "no map reaches slice 5" in capsys.readouterr().err
    assert compare(image, tmp_path / "other", *asked, "--slice", "3") == 0
    assert "no map reaches" not in capsys.readouterr().err
