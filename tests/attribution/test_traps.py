"""What other libraries get wrong without saying so, each behaviour on the smallest network that shows it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_networks import FEW, SIZES, Plain, inputs_for, make
from torch import Tensor, nn
from torch.nn import functional

from saliency_viewer.attribution import METHODS, Result, explain
from saliency_viewer.errors import UserError

IDS = [found.id for found in METHODS]
LRP = "lrp-epsilon-plus"


class Body(nn.Module):
    """Layers to be wired up by a function of (self, x), so that two wirings share their weights."""

    def __init__(self, wiring: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.conv, self.other = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(self.norm.bias)
            self.head, self.second = nn.Linear(4, 4), nn.Linear(4, 3)
            nn.init.constant_(self.head.bias, 1.0)  # keeps the last rectifiers alive
        self.relu = nn.ReLU(inplace=True)
        self.wiring = wiring
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(functional.relu(self.head(self.wiring(self, x).mean((2, 3)))))


def _chained(net: Any, x: Tensor) -> Tensor:
    first = net.conv(x)
    total = first + net.other(torch.relu(first))
    total += first
    total -= 0.3 * net.other(first)
    total *= 0.5
    return total.relu_()


def _chained_plainly(net: Any, x: Tensor) -> Tensor:
    first = net.conv(x)
    total = first + net.other(torch.relu(first))
    total = total + first
    total = total - 0.3 * net.other(first)
    return torch.relu(total * 0.5)


PAIRS: dict[str, tuple[Callable[[Any, Tensor], Tensor], Callable[[Any, Tensor], Tensor]]] = {
    "sums in place": (_chained, _chained_plainly),
    "a summand overwritten later": (
        lambda net, x: _overwritten(net.conv(x), net),
        lambda net, x: _kept(net.conv(x), net),
    ),
    "an activation in place before the batch norm": (
        lambda net, x: net.norm(net.conv(x).relu_()),
        lambda net, x: net.norm(torch.relu(net.conv(x))),
    ),
    "one module thrice": (
        lambda net, x: net.relu(net.norm(net.relu(net.other(net.relu(net.conv(x)))))),
        lambda net, x: torch.relu(net.norm(torch.relu(net.other(torch.relu(net.conv(x)))))),
    ),
    "inplace without its name": (
        lambda net, x: _positional(net.conv(x)),
        lambda net, x: torch.relu(net.conv(x)),
    ),
    "the input itself in place": (
        lambda net, x: torch.relu(net.conv(x.mul_(2).relu_())),
        lambda net, x: torch.relu(net.conv(torch.relu(x * 2))),
    ),
    "keywords": (
        lambda net, x: functional.relu(input=torch.add(input=net.conv(x), other=net.norm(net.conv(x)), alpha=2)),
        lambda net, x: torch.relu(net.conv(x) + 2 * net.norm(net.conv(x))),
    ),
    "a clamp and a split": (
        lambda net, x: torch.cat([part.clamp(min=0) for part in net.conv(x).chunk(2, 1)], 1),
        lambda net, x: torch.relu(net.conv(x)),
    ),
}


def _overwritten(a: Tensor, net: Any) -> Tensor:
    b = net.norm(a)
    total = a + b
    b.mul_(0)
    return total


def _kept(a: Tensor, net: Any) -> Tensor:
    return a + net.norm(a)


def _positional(x: Tensor) -> Tensor:
    functional.relu(x, True)  # only the side effect is used
    return x


@pytest.mark.parametrize("name", PAIRS)
def test_in_place_code_gives_the_maps_of_the_same_code_out_of_place(name: str) -> None:
    tricky, plain = (Body(wiring).double() for wiring in PAIRS[name])
    inputs = inputs_for(2).double()
    kept = inputs.clone()
    methods = [key for key in IDS if key != "full-grad"]  # whose library knows modules only
    one, other = (explain(net, inputs, methods, 1, parameters=FEW, skip_undefined=True) for net in (tricky, plain))
    assert torch.equal(inputs, kept)
    assert set(one) == set(other) == {key for key in methods if key != "saliency-tubes"}
    for key in one:
        assert torch.equal(one[key].score, other[key].score)
        assert torch.allclose(one[key].signed, other[key].signed, atol=1e-6 * float(other[key].signed.abs().max())), key
    assert other["gradient"].signed.any()
    assert other[LRP].signed.any()


class MemorySavingSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return gradient * gate * (1 + x * (1 - gate))


def _masked_write(x: Tensor) -> Tensor:
    written = x.clone()
    written[written < 0] = 0
    return written


HIDDEN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "silu": (functional.silu, "silu"),
    "gelu": (lambda x: functional.gelu(x), "gelu"),
    "hardswish in place": (lambda x: functional.hardswish(x, inplace=True), "hardswish"),
    "a symmetric hardtanh": (lambda x: functional.hardtanh(x), "hardtanh"),
    "a written-out swish": (lambda x: x * torch.sigmoid(x), "product"),
    "a function of its own": (lambda x: MemorySavingSwish.apply(x), "MemorySavingSwish"),
    "a maximum": (lambda x: torch.maximum(x, torch.zeros(())), "maximum"),
    "a where": (lambda x: torch.where(x > 0, x, 0.1 * x), "where"),
    "a mask": (lambda x: x * (x > 0), "mask"),
    "a mask of numbers": (lambda x: (x.detach() > 0).float() * x, "mask"),
    "a filled mask": (lambda x: x.masked_fill(x < 0, 0.0), "mask"),
    "a masked write": (_masked_write, "mask"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_guided_methods_refuse_what_is_no_rectifier_and_say_what_it_is(name: str) -> None:
    function, word = HIDDEN[name]
    network = Body(lambda net, x: function(net.conv(x)))
    methods = ["guided-backprop", "guided-grad-cam", "deconvnet", "gradient"]
    found = explain(network, inputs_for(2), methods, 0, skip_undefined=True)
    assert set(found) == {"gradient"}
    assert set(found.undefined) == {"guided-backprop", "guided-grad-cam", "deconvnet"}
    for key in ("guided-backprop", "deconvnet"):
        assert word in str(found.undefined[key])
        assert found.undefined[key].hint
    with pytest.raises(UserError, match=word):
        explain(network, inputs_for(2), ["guided-backprop"], 0)


def test_relevance_refuses_operators_that_hide_their_inside() -> None:
    network = Body(lambda net, x: MemorySavingSwish.apply(net.conv(x)))
    with pytest.raises(UserError, match="MemorySavingSwish"):
        explain(network, inputs_for(2), LRP, 0)


def test_a_gate_keeps_its_gradient_in_guided_methods_and_no_relevance_in_lrp() -> None:
    def gated(net: Any, x: Tensor) -> Tensor:
        x = torch.relu(net.conv(x))
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    found = explain(Body(gated).double(), inputs_for(2).double(), ["guided-backprop", LRP], 1)
    assert found["guided-backprop"].validity.badge == "verified"
    # A gate of the same value that is a constant gives the same relevance: none went through the gate.
    inputs = inputs_for(2).double()[:1]
    with torch.no_grad():
        gate = torch.sigmoid(torch.relu(Body(gated).double().conv(inputs)).mean((2, 3), keepdim=True))
    frozen = Body(lambda net, x: torch.relu(net.conv(x)) * gate).double()
    alone = explain(frozen, inputs, LRP, 1)[LRP]
    assert torch.allclose(alone.signed, found[LRP].signed[:1], atol=1e-6 * float(alone.signed.abs().max()))


def test_activations_of_constants_do_not_spoil_the_count() -> None:
    network = Body(lambda net, x: net.conv(x) * torch.relu(net.norm.weight)[:, None, None])
    for result in explain(network, inputs_for(2), ["guided-backprop", LRP], 0).values():
        assert result.validity.badge in ("verified", "approximate")
        assert result.validity.intercepted == result.validity.executed == 2


class FullAllocator:
    """Lets a network's convolution fail with torch's own words whenever its batch is larger than ``rows``."""

    def __init__(self, rows: int) -> None:
        self.rows, self.failures = rows, 0

    def __call__(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > self.rows:
            self.failures += 1
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")


@pytest.mark.parametrize("axes", SIZES)
def test_when_memory_runs_out_chunks_halve_and_the_maps_are_the_same(axes: int) -> None:
    network, inputs = make("residual", axes).double(), inputs_for(axes, 5).double()
    options: dict[str, Any] = {"parameters": FEW, "batch_size": 8, "skip_undefined": True}
    expected = explain(network, inputs, IDS, 1, **options)
    allocator = FullAllocator(2)
    handle = network.get_submodule("body").register_forward_pre_hook(allocator)
    found = explain(network, inputs, IDS, 1, **options)
    handle.remove()
    assert set(found) == set(expected)
    assert allocator.failures >= 1
    assert found["gradient"].provenance.batch_size <= 2
    for key in found:
        assert torch.allclose(
            found[key].signed, expected[key].signed, atol=1e-6 * float(expected[key].signed.abs().max())
        )


def test_a_single_row_that_does_not_fit_is_an_error_with_its_text() -> None:
    network = make("residual", 2)
    network.get_submodule("body").register_forward_pre_hook(FullAllocator(0))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        explain(network, inputs_for(2), "gradient", 0)


@pytest.mark.parametrize("parameters", [{"rise": {"samples": 6}}, {"score-cam": {"clusters": 3}}, {"occlusion": {}}])
def test_a_small_memory_budget_bounds_short_runs_without_gradients_too(parameters: dict[str, dict[str, int]]) -> None:
    network, inputs = make("plain", 2), inputs_for(2)[:1]
    (key,) = parameters
    found = explain(network, inputs, key, 0, parameters=parameters, memory_budget=1)[key]
    assert found.provenance.batch_size == 1


def test_a_small_memory_budget_makes_small_chunks() -> None:
    network, inputs = make("residual", 2), inputs_for(2, 4)
    found = {b: explain(network, inputs, "gradient", 0, memory_budget=b)["gradient"] for b in (1, 2**30)}
    assert found[1].provenance.batch_size == 1
    assert found[2**30].provenance.batch_size == 7
    assert torch.allclose(found[1].signed, found[2**30].signed, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8, torch.float64, torch.float16])
def test_other_input_types_give_the_map_of_float32(dtype: torch.dtype) -> None:
    whole = (inputs_for(2).abs() * 20).round()
    network = make("residual", 2)
    one, other = (explain(network, x, [LRP, "integrated-gradients"], 0) for x in (whole, whole.to(dtype)))
    for key in one:
        assert torch.equal(one[key].signed, other[key].signed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bit_weights_count_as_their_rounded_values_in_float32(dtype: torch.dtype) -> None:
    half = make("residual", 2).to(dtype)
    rounded = copy.deepcopy(half).float()
    one, other = (explain(network, inputs_for(2), IDS, 0, parameters=FEW) for network in (half, rounded))
    for key in IDS:
        assert torch.equal(one[key].signed, other[key].signed), key
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}


def test_a_captured_layer_is_not_overwritten_by_what_follows() -> None:
    network, inputs = make("plain", 2), inputs_for(2)
    out_of_place = copy.deepcopy(network)
    for module in out_of_place.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    for name in ("features.0", "features.3", "features.4"):
        one, other = (explain(net, inputs, "hires-cam", 0, layer=name)["hires-cam"] for net in (network, out_of_place))
        assert torch.equal(one.signed, other.signed)
    assert (explain(network, inputs, "hires-cam", 0, layer="features.3")["hires-cam"].signed < 0).any()


def test_an_unknown_layer_is_a_mistake_with_near_names_and_not_an_undefined_method() -> None:
    with pytest.raises(UserError, match=r"features\.3"):
        explain(make("plain", 2), inputs_for(2), "grad-cam", 0, layer="feature.3", skip_undefined=True)


@pytest.mark.parametrize("name", IDS)
def test_three_hundred_explanations_leave_no_tensor_behind(name: str, few: dict[str, Any]) -> None:
    import gc

    network, inputs = make("plain", 2), inputs_for(2, 1)

    def count() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    options = {key: value for key, value in few.items() if key == name}
    explain(network, inputs, name, 0, parameters=options, skip_undefined=True)
    before = count()
    for _ in range(300 if name == LRP else 30):
        explain(network, inputs, name, 0, parameters=options, skip_undefined=True)
    assert count() == before


class Counting(Plain):
    """Counts forward passes and rows."""

    passes = rows = 0

    def forward(self, x: Tensor) -> Any:
        self.passes += 1
        self.rows += len(x)
        return super().forward(x)


SHARED = [
    "gradient",
    "input-x-gradient",
    "grad-cam",
    "grad-cam-plus-plus",
    "hires-cam",
    "respond-cam",
    "saliency-tubes",
]


def test_methods_at_a_point_share_one_forward_and_one_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    backward = []
    real = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: (backward.append(1), real(*a, **k))[1])
    network = Counting(2)
    explain(network, inputs_for(2, 1), SHARED, 0)
    assert (network.passes, len(backward)) == (1, 1)


def test_cams_alone_stop_the_backward_pass_at_the_layer() -> None:
    seen: list[str] = []

    def follow(name: str) -> Callable[..., Any]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            if output.requires_grad:
                output.register_hook(lambda _g: seen.append(name))

        return hook

    network = make("plain", 2)
    network.get_submodule("features.0").register_forward_hook(follow("first"))
    network.get_submodule("head").register_forward_hook(follow("head"))
    explain(network, inputs_for(2), SHARED[2:], 0)
    assert seen == []  # the network's own pass kept no graph: only the operators behind the layer ran again
    explain(network, inputs_for(2), SHARED, 0)
    assert seen == ["head", "first"]


def test_a_target_that_is_no_output_and_inputs_that_are_no_image_are_refused() -> None:
    network = make("plain", 2)
    with pytest.raises(UserError, match="Target 7 is no output"):
        explain(network, inputs_for(2), "gradient", 7, skip_undefined=True)
    with pytest.raises(UserError, match="shape"):
        explain(network, torch.zeros(3, 3), "gradient", 0)
    with pytest.raises(UserError, match="not finite"):
        explain(network, torch.full((1, 2, 5, 5), torch.nan), "gradient", 0)
    for target in ("pneumonia", None, 1.0, [0, 1.5]):
        with pytest.raises(UserError, match="no index of an output"):
            explain(network, inputs_for(2), "gradient", target)
    with pytest.raises(UserError, match="one row of class scores"):
        explain(nn.Conv2d(2, 3, 3), inputs_for(2), "gradient", 0)


def test_a_map_that_is_not_finite_is_marked_failed() -> None:
    network = Body(lambda net, x: torch.sqrt(torch.relu(net.conv(x)) * 0))
    result: Result = explain(network, inputs_for(2), "gradient", 0)["gradient"]
    assert result.validity.badge == "failed"


def test_relevance_is_not_defined_for_attention() -> None:
    def attend(net: Any, x: Tensor) -> Tensor:
        maps = net.conv(x)
        return torch.softmax(maps.flatten(2), -1).reshape(maps.shape) * maps

    with pytest.raises(UserError, match="not defined"):
        explain(Body(attend), inputs_for(2), LRP, 0)
