"""What holds for every method on every network."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_networks import STOCHASTIC
from torch import Tensor, nn

from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.errors import Cancelled

IDS = [method.id for method in METHODS]


def state_of(network: nn.Module) -> dict[str, Any]:
    """Everything of a network that a caller could find changed."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": [(name, id(module), module.training) for name, module in network.named_modules()],
        "hooks": [[len(getattr(module, hook)) for hook in hooks] for module in network.modules()],
        "global hooks": [len(getattr(nn.modules.module, f"_global{hook}")) for hook in hooks],
        "forward": ["forward" in vars(module) for module in network.modules()],
        "parameters": [(id(p), p.requires_grad, p.grad is None, p._version) for p in network.parameters()],
        "values": [p.detach().clone() for p in network.parameters()],
        "buffers": [(id(b), b.clone()) for b in network.buffers()],
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for key in ("modules", "hooks", "global hooks", "forward", "parameters"):
        assert before[key] == after[key], key
    assert all(torch.equal(a, b) for a, b in zip(before["values"], after["values"], strict=True))
    for (was, old), (now, new) in zip(before["buffers"], after["buffers"], strict=True):
        assert was == now
        assert torch.equal(old, new)


def run(network: nn.Module, inputs: Tensor, few: dict[str, Any], **wishes: Any) -> Any:
    methods = wishes.pop("methods", IDS)
    target = wishes.pop("target", 1)
    parameters = {key: value for key, value in few.items() if key in methods}
    return explain(network, inputs, methods, target, parameters=parameters, skip_undefined=True, **wishes)


def test_every_method_answers_with_a_map_or_a_reason(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    results = run(network, inputs, few)
    assert set(results) | set(results.undefined) == set(IDS)
    with torch.no_grad():
        logits = network(inputs)
    for method in METHODS:
        if method.id in results.undefined:
            assert results.undefined[method.id].hint
            continue
        result = results[method.id]
        at_layer = method.capabilities.needs_layer
        assert result.values.shape == (3, 1 if at_layer else 2, *inputs.shape[2:])
        assert result.signed.shape == result.values.shape
        assert (result.layer_values is not None) == at_layer
        assert result.values.dtype == torch.float32
        assert bool(torch.isfinite(result.signed).all())
        assert bool(result.signed.any()), method.id
        assert (result.residual is not None) == method.capabilities.additive
        assert result.one_sided == method.capabilities.one_sided
        expected = result.signed.clamp(min=0) if result.one_sided else result.signed
        assert torch.equal(result.values, expected)
        assert torch.allclose(result.score, logits[:, 1])
        assert result.target == (1, 1, 1)


def test_the_network_and_the_random_state_stay_untouched(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    network.train()
    next(iter(network.children())).eval()
    next(network.parameters()).requires_grad_(False)
    last = list(network.parameters())[-1]
    last.grad = torch.ones_like(last)
    before, copied, random = state_of(network), inputs.clone(), torch.get_rng_state()
    run(network, inputs, few)
    assert_same(before, state_of(network))
    assert torch.equal(last.grad, torch.ones_like(last))
    assert torch.equal(inputs, copied)
    assert not inputs.requires_grad
    assert torch.equal(random, torch.get_rng_state())


def test_logits_are_identical_before_and_after(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    with torch.no_grad():
        before = network(inputs)
        run(network, inputs, few)
        assert torch.equal(before, network(inputs))


def test_the_batch_size_leaves_no_trace(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    network.double()  # where values cancel, relevance multiplies the rounding of float32
    one, four = (run(network, inputs, few, batch_size=size, target=[0, 1, 2]) for size in (1, 4))
    assert set(one) == set(four)
    for key in one:
        assert torch.allclose(one[key].signed, four[key].signed, rtol=1e-4, atol=1e-5 * top(one[key].signed)), key


def test_samples_of_a_batch_are_explained_one_by_one(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    network.double()
    together = run(network, inputs, few, target=[2, 0, 1])
    for row, target in enumerate((2, 0, 1)):
        alone = run(network, inputs[row : row + 1], few, target=target)
        for key, result in alone.items():
            expected = together[key].signed[row]
            assert torch.allclose(result.signed[0], expected, rtol=1e-4, atol=1e-5 * top(expected)), key


def test_equal_seeds_give_equal_maps_and_others_do_not(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    first, second, third = (run(network, inputs, few, seed=seed) for seed in (5, 5, 6))
    for key in first:
        assert torch.equal(first[key].signed, second[key].signed), key
    assert all(not torch.equal(first[key].signed, third[key].signed) for key in STOCHASTIC)


def test_methods_asked_together_or_alone_give_the_same_map(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    together = run(network, inputs, few)
    for key in IDS:
        alone = run(network, inputs, few, methods=[key])
        assert (key in alone) == (key in together)
        if key in alone:
            assert torch.allclose(alone[key].signed, together[key].signed, atol=1e-6 * top(together[key].signed)), key
            assert alone[key].layer == together[key].layer


def test_progress_never_goes_back_and_ends_at_one(case: tuple[nn.Module, Tensor], few: dict[str, Any]) -> None:
    network, inputs = case
    seen: list[float] = []
    run(network, inputs, few, progress=lambda fraction, text: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(set(seen)) > 5


@pytest.mark.parametrize("when", [0.0, 0.3, 0.9])
def test_cancel_stops_within_one_operator_and_leaves_no_trace(
    case: tuple[nn.Module, Tensor], few: dict[str, Any], when: float
) -> None:
    network, inputs = case
    polls = 0

    def count() -> bool:
        nonlocal polls
        polls += 1
        return False

    run(network, inputs, few, cancel=count)
    stop_at, total, polls = max(1, math.floor(when * polls)), polls, 0
    assert total > 20
    network.train()
    before = state_of(network)

    def cancel() -> bool:
        nonlocal polls
        polls += 1
        return polls >= stop_at

    with pytest.raises(Cancelled):
        run(network, inputs, few, cancel=cancel)
    assert polls == stop_at
    assert_same(before, state_of(network))


class Stumbling(nn.Module):
    """Raises in the middle of its forward pass."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.broken = True

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        if self.broken:
            raise ValueError("lead 7 is missing")
        return out


@pytest.mark.parametrize("key", IDS)
def test_an_exception_inside_forward_reaches_the_caller(key: str, build: Any, few: dict[str, Any]) -> None:
    inner, inputs = build("residual 2D")
    network = Stumbling(inner).train()
    before = state_of(network)
    with pytest.raises(ValueError, match="lead 7 is missing"):
        run(network, inputs, few, methods=[key])
    assert_same(before, state_of(network))
    network.broken = False
    after, reference = run(network, inputs, few, methods=[key]), run(inner, inputs, few, methods=[key])
    assert torch.equal(after[key].signed, reference[key].signed)


def test_permuting_the_axes_of_input_and_model_permutes_the_map(build: Any, few: dict[str, Any]) -> None:
    network, inputs = build("residual 3D")
    turned, _ = build("residual 3D")
    for module in turned.modules():
        if isinstance(module, nn.Conv3d):
            module.weight = nn.Parameter(module.weight.detach().permute(0, 1, 4, 2, 3).contiguous())
    methods = [key for key in IDS if key not in {*STOCHASTIC, "xrai"}]  # supervoxels start from a grid along the axes
    plain = run(network, inputs, few, methods=methods)
    permuted = run(turned, inputs.permute(0, 1, 4, 2, 3).contiguous(), few, methods=methods)
    for key in plain:
        expected = plain[key].signed.permute(0, 1, 4, 2, 3)
        assert torch.allclose(permuted[key].signed, expected, rtol=1e-4, atol=2e-5 * top(expected)), key


def top(values: Tensor) -> float:
    return float(values.abs().max())
