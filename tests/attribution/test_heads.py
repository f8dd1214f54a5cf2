"""Every method behind every kind of head, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import FEW, NETWORKS, SIZES, inputs_for, make
from torch import Tensor, nn

from saliency_viewer.attribution import METHODS, Results, explain
from saliency_viewer.domain import ScoreTarget
from saliency_viewer.errors import Cancelled, UserError

IDS = [found.id for found in METHODS]
LIBRARY = {"eigen-grad-cam", "kpca-cam", "fem", "grad-cam-elementwise", "full-grad"}  # two-dimensional networks only
# Maps that do not know the sign of the score, and maps that are neither odd nor even in the gradient.
EVEN = {"smooth-grad-squared", "var-grad", "eigen-cam", "eigen-grad-cam", "kpca-cam", "fem", "full-grad"}
NEITHER = {
    *("guided-backprop", "guided-grad-cam", "deconvnet", "grad-cam-plus-plus", "layer-cam", "score-cam", "xrai"),
    "grad-cam-elementwise",
}
CASES = [(name, axes) for name in NETWORKS for axes in SIZES]


def run(network: nn.Module, inputs: Tensor, methods: Any = tuple(IDS), target: Any = 0, **options: Any) -> Results:
    wanted = {key: value for key, value in FEW.items() if key in methods}
    return explain(network, inputs, methods, target, parameters=wanted, **options)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}d")
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, Results]:
    name, axes = request.param
    network, inputs = make(name, axes), inputs_for(axes)
    return network, inputs, run(network, inputs, skip_undefined=True)


def test_maps_have_the_input_s_shape_are_finite_and_not_empty(case: tuple[nn.Module, Tensor, Results]) -> None:
    _, inputs, results = case
    for found in METHODS:
        if found.id in results.undefined:
            continue
        result = results[found.id]
        channels = 1 if found.capabilities.needs_layer else inputs.shape[1]
        assert result.signed.shape == (len(inputs), channels, *inputs.shape[2:]), found.id
        assert result.values.shape == result.signed.shape
        assert result.values.dtype == torch.float32
        assert torch.isfinite(result.signed).all(), found.id
        assert result.signed.flatten(1).any(1).all(), found.id
        assert (result.layer_values is not None) == found.capabilities.needs_layer
        assert (result.residual is not None) == found.capabilities.additive
        expected = result.signed.clamp(min=0) if result.one_sided else result.signed
        assert torch.equal(result.values, expected)


def test_only_methods_that_have_no_meaning_here_refuse(
    case: tuple[nn.Module, Tensor, Results], request: pytest.FixtureRequest
) -> None:
    _network, _, results = case
    name, axes = request.node.callspec.params["case"]
    refused = set() if axes == 2 else set(LIBRARY)
    if name in ("softmax", "sigmoid"):
        refused.add("saliency-tubes")
        assert "linear" in str(results.undefined["saliency-tubes"])
    if name == "softmax":  # no rule of differences for a function of all classes together
        refused |= {"deep-lift", "layer-deep-lift"}
    assert set(results.undefined) == refused


def test_the_score_is_the_network_s_own_to_the_last_bit(case: tuple[nn.Module, Tensor, Results]) -> None:
    network, inputs, results = case
    with torch.no_grad():
        returned = network(inputs)
    logits = (
        returned["logits"] if isinstance(returned, dict) else returned[0] if isinstance(returned, tuple) else returned
    )
    for name, result in results.items():
        assert torch.equal(result.score, logits[:, 0]), name


def test_the_batch_size_does_not_change_a_map(case: tuple[nn.Module, Tensor, Results]) -> None:
    network, inputs, results = case
    single = run(network, inputs, batch_size=1, skip_undefined=True)
    for name, result in results.items():
        # Differences of scores are no more exact than the scores themselves.
        allowed = 1e-5 * result.signed.abs().max() + 2e-7 * result.score.abs().max()
        assert (result.signed - single[name].signed).abs().max() <= allowed, name


@pytest.mark.parametrize("name", IDS)
def test_the_first_class_of_a_one_output_network_is_the_negated_logit(name: str) -> None:
    network, inputs = make("one logit", 2), inputs_for(2)
    second = run(network, inputs, [name], ScoreTarget("disease", 0))[name]
    first = run(network, inputs, [name], ScoreTarget("healthy", 0, sign=-1.0))[name]
    assert torch.equal(first.score, -second.score)
    if name in EVEN:
        assert torch.allclose(first.signed, second.signed, rtol=1e-4, atol=1e-7)
    elif name not in NEITHER:
        assert torch.allclose(first.signed, -second.signed, atol=1e-7)
    else:
        assert not torch.equal(first.signed, second.signed)


@pytest.mark.parametrize("name", [name for name in IDS if name != "saliency-tubes"])
def test_log_odds_of_a_probability_equal_the_logit(name: str) -> None:
    logit, probability = make("plain", 2).double(), make("sigmoid", 2).double()
    inputs = inputs_for(2).double()
    one = run(logit, inputs, [name], 1)[name]
    other = run(probability, inputs, [name], ScoreTarget("b", 1, log_odds=True))[name]
    assert torch.allclose(one.score, other.score, atol=1e-6)
    assert torch.allclose(one.signed, other.signed, atol=1e-6 * float(one.signed.abs().max()))


def test_each_sample_may_have_its_own_target() -> None:
    network, inputs = make("residual", 2), inputs_for(2)
    both = run(network, inputs, IDS, [2, 0])
    for row, target in enumerate([2, 0]):
        alone = run(network, inputs[row : row + 1], IDS, target)
        for name in IDS:
            assert torch.allclose(both[name].signed[row], alone[name].signed[0], atol=1e-6), name
    with pytest.raises(UserError, match="3 targets"):
        run(network, inputs, IDS, [0, 1, 2])


@pytest.mark.parametrize("name", IDS)
def test_cancelling_at_any_operator_stops(name: str) -> None:
    network, inputs = make("residual", 2), inputs_for(2)
    polls = 0

    def count() -> bool:
        nonlocal polls
        polls += 1
        return False

    run(network, inputs, [name], cancel=count)
    total = polls
    assert total > 40  # operators of the forward and of the backward pass
    for stop_at in range(1, total, max(1, total // 12)):
        answers = iter([False] * (stop_at - 1) + [True])
        with pytest.raises(Cancelled):
            run(network, inputs, [name], cancel=lambda answers=answers: next(answers))  # a further poll would raise
