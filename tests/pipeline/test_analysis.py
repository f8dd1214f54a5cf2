from __future__ import annotations

import pickle
import pickletools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.pipeline import Services, image_hash, load_model, run_plan
from saliency_viewer.runtime.context import RunContext


def plan(image: Path, model: Path, *methods: str, **fields: object) -> AnalysisPlan:
    requests = tuple(MethodRequest(name) for name in methods or ("gradient",))
    return replace(AnalysisPlan(ImageReference(str(image)), str(model), requests, device="cpu"), **fields)  # type: ignore[arg-type]


def test_a_3d_map_is_the_networks_gradient_on_the_images_grid(image: Path, block_model: Path) -> None:
    import torch

    result = run_plan(plan(image, block_model), Services())
    model = load_model(block_model)
    classifier = model._classifier
    prepared = classifier.prepare(result.volume)
    inputs = prepared.inputs.clone().requires_grad_()
    index = result.prediction.predicted
    (gradient,) = torch.autograd.grad(model.network(inputs)[0, index], inputs)
    expected = classifier.project(gradient, prepared)
    np.testing.assert_allclose(result.maps[0].array, expected, rtol=1e-4, atol=1e-6 * np.nanmax(np.abs(expected)))
    assert result.maps[0].geometry.same_as(result.volume.geometry, 0.0)


def test_a_slice_wise_network_explains_the_asked_slices_and_leaves_the_others_unseen(
    image: Path, plane_model: Path
) -> None:
    result = run_plan(plan(image, plane_model, slices=(1, 4)), Services())
    amap = result.maps[0]
    seen = [bool(np.isfinite(amap.array[k]).any()) for k in range(amap.geometry.shape[0])]
    assert seen == [False, True, False, False, True, False, False]
    assert result.slices == amap.slices == (1, 4)


def test_the_map_says_how_it_came_about(image: Path, block_model: Path) -> None:
    result = run_plan(plan(image, block_model, "grad-cam", target="well", seed=4, threads=1, batch_size=2), Services())
    amap = result.maps[0]
    made = amap.provenance
    assert (amap.method, amap.target, made.target, made.method) == ("grad-cam", "well", "well", "grad-cam")
    assert (made.seed, made.threads, made.batch_size, made.device) == (4, 1, 2, "cpu")
    assert (made.model_name, made.model_hash) == ("Tiny block", result.model_hash)
    assert made.versions
    assert amap.logit == pytest.approx(float(result.prediction.logits[0]))
    assert amap.probability == pytest.approx(float(result.prediction.probabilities[0]))
    assert amap.target_is_predicted == (result.prediction.label == "well")


def test_the_box_rule_gets_the_package_s_own_range_of_values(image: Path, block_model: Path) -> None:
    from saliency_viewer.attribution import explain

    name = "lrp-epsilon-gamma-box"
    result = run_plan(plan(image, block_model, name, target="well"), Services())
    classifier = load_model(block_model)._classifier
    prepared = classifier.prepare(result.volume)
    bounds = classifier.input_range(prepared)
    found = explain(classifier.network, prepared.inputs, name, 0, input_range=bounds)[name].signed
    expected = classifier.project(found, prepared)
    np.testing.assert_allclose(result.maps[0].array, expected, rtol=1e-4, atol=1e-6 * np.nanmax(np.abs(expected)))
    assert any("as given" in note for note in result.maps[0].provenance.notes)


def test_the_same_plan_gives_the_same_bits_with_and_without_caches(image: Path, block_model: Path) -> None:
    wanted = plan(image, block_model, "gradient", "smooth-grad", "grad-cam")
    services = Services()
    runs = [run_plan(wanted, services), run_plan(wanted, services), run_plan(wanted, Services())]
    for other in runs[1:]:
        for one, two in zip(runs[0].maps, other.maps, strict=True):
            assert one.array.tobytes() == two.array.tobytes()


def test_the_callers_thread_count_comes_back(image: Path, block_model: Path) -> None:
    import torch

    before = torch.get_num_threads()
    run_plan(plan(image, block_model, threads=before + 1), Services())
    assert torch.get_num_threads() == before


def test_progress_rises_to_one(image: Path, block_model: Path) -> None:
    seen: list[float] = []
    run_plan(plan(image, block_model), Services(), RunContext(lambda fraction, _text: seen.append(fraction)))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("polls", [0, 1, 5, 20])
def test_cancelling_stops_the_run_and_the_next_one_is_whole(image: Path, block_model: Path, polls: int) -> None:
    services = Services()
    whole = run_plan(plan(image, block_model), services)
    count = [0]

    def cancel() -> bool:
        count[0] += 1
        return count[0] > polls

    with pytest.raises(Cancelled):
        run_plan(plan(image, block_model), services, RunContext(cancel=cancel))
    again = run_plan(plan(image, block_model), services)
    assert again.maps[0].array.tobytes() == whole.maps[0].array.tobytes()


def test_no_methods_means_a_prediction_without_maps(image: Path, block_model: Path) -> None:
    result = run_plan(replace(plan(image, block_model), methods=()), Services())
    assert result.maps == ()
    assert result.prediction.probabilities.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"methods": (MethodRequest("grad-kam"),)}, "grad-kam"),
        ({"methods": (MethodRequest("gradient", {"steps": 3}),)}, "no parameter 'steps'"),
        ({"methods": (MethodRequest("integrated-gradients", {"steps": -3}),)}, "out of range"),
        ({"target": "tumour"}, "tumour"),
        ({"slices": (99,)}, "no slice 99"),
        ({"threads": 0}, "at least 1"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_user_error(
    image: Path, block_model: Path, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        run_plan(replace(plan(image, block_model), **fields), Services())  # type: ignore[arg-type]


def test_a_missing_path_is_a_user_error_without_the_path(block_model: Path) -> None:
    with pytest.raises(UserError) as caught:
        run_plan(plan(Path("/scans/Doe_Jane"), block_model), Services())
    assert "Doe" not in str(caught.value) + caught.value.detail


def test_the_image_hash_follows_values_and_place_only(image: Path, block_model: Path) -> None:
    volume = run_plan(plan(image, block_model), Services()).volume
    digest = image_hash(volume)
    assert image_hash(replace(volume, modality="XX", warnings=("w",))) == digest
    changed = volume.array.copy()
    changed.flat[0] += 1
    assert image_hash(replace(volume, array=changed)) != digest
    affine = volume.geometry.affine.copy()
    affine[0, 3] += 1.0
    moved = replace(volume.geometry, affine=affine)
    assert image_hash(replace(volume, geometry=moved)) != digest


def test_a_file_that_changes_on_disk_is_read_again(image: Path, block_model: Path) -> None:
    import nibabel

    services = Services()
    first = run_plan(plan(image, block_model), services)
    old = nibabel.load(image)
    data = np.asarray(old.dataobj).copy()
    data[0, 0, 0] += 100
    nibabel.save(nibabel.Nifti1Image(data, old.affine), image)
    assert run_plan(plan(image, block_model), services).image_hash != first.image_hash


def test_the_model_object_gives_the_same_map_as_a_plan(image: Path, block_model: Path) -> None:
    result = run_plan(plan(image, block_model, "grad-cam", target="sick"), Services())
    amap = load_model(block_model).explain(result.volume, method="grad-cam", target="sick")
    assert amap.array.tobytes() == result.maps[0].array.tobytes()
    prediction = load_model(block_model).predict(result.volume)
    assert prediction.classes == ("well", "sick")
    np.testing.assert_allclose(prediction.logits, result.prediction.logits, rtol=1e-5)


def test_a_result_on_its_way_to_the_window_names_nothing_of_torch(image: Path, block_model: Path) -> None:
    # Unpacking such a name would import torch in the window's process, which then stands still.
    sent = pickle.dumps(run_plan(plan(image, block_model, "grad-cam", "integrated-gradients"), Services()))
    # "torch" by itself is a key among the versions; a class of torch's has a module's name with a dot in it.
    named = [value for _, value, _ in pickletools.genops(sent) if isinstance(value, str)]
    assert not [value for value in named if value.startswith(("torch.", "torchvision."))]
