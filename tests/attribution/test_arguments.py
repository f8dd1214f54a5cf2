"""What callers may give and what networks may return, and the words for what they may not."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import pytest
import torch
from scipy import ndimage
from small_networks import FEW
from torch import Tensor, nn

from saliency_viewer.attribution import METHODS, explain, method
from saliency_viewer.errors import UserError

IDS = [method.id for method in METHODS]


class Named(NamedTuple):
    logits: Tensor
    aux: Tensor


class Wrapped(nn.Module):
    """Returns what ``wrap`` makes of the logits."""

    def __init__(self, inner: nn.Module, wrap: Any) -> None:
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.inner(x))


OUTPUTS = {
    "tuple": lambda logits: (logits, logits * 0),
    "list": lambda logits: [logits],
    "dictionary": lambda logits: {"aux": logits * 0, "logits": logits},
    "out": lambda logits: {"out": logits},
    "named tuple": lambda logits: Named(aux=logits * 0, logits=logits),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_logits_are_found_in_what_a_network_returns(build: Any, kind: str) -> None:
    network, inputs = build("residual 2D")
    plain = explain(network, inputs, IDS, 2, parameters=FEW)
    found = explain(Wrapped(network, OUTPUTS[kind]), inputs, IDS, 2, parameters=FEW)
    for key in IDS:
        assert torch.equal(found[key].signed, plain[key].signed), key


@pytest.mark.parametrize(
    "wrap",
    [lambda y: {"seg": y}, lambda y: y[:, :, None, None], lambda y: None, lambda y: y.sum()],
    ids=["other key", "four axes", "nothing", "one number"],
)
def test_other_outputs_are_refused_with_the_cure(build: Any, wrap: Any) -> None:
    network, inputs = build("residual 2D")
    with pytest.raises(UserError, match="one row of class scores") as caught:
        explain(Wrapped(network, wrap), inputs, ["gradient"], 0, skip_undefined=True)
    assert "Wrap it" in caught.value.hint


def test_one_logit_without_a_class_axis_is_one_output(build: Any) -> None:
    network, inputs = build("residual 2D")
    single = Wrapped(network, lambda y: y[:, 1])
    plain = explain(network, inputs, ["gradient", "lrp-epsilon-plus"], 1)
    found = explain(single, inputs, ["gradient", "lrp-epsilon-plus"], 0)
    for key in plain:
        assert torch.equal(found[key].signed, plain[key].signed), key


@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:FutureWarning")
def test_torchscript_has_gradients_and_no_rules(build: Any) -> None:
    network, inputs = build("functional 2D")
    script = torch.jit.trace(network, inputs)
    results = explain(script, inputs, IDS, 1, parameters=FEW, skip_undefined=True)
    plain = explain(network, inputs, IDS, 1, parameters=FEW)
    for key in ("gradient", "smooth-grad", "input-x-gradient", "integrated-gradients"):
        torch.testing.assert_close(results[key].signed, plain[key].signed, rtol=1e-4, atol=1e-6)
    for key in ("guided-backprop", "guided-grad-cam", "lrp-epsilon-plus"):
        assert key in results.undefined
    assert "TorchScript" in results.undefined["lrp-epsilon-plus"].message


@pytest.mark.parametrize("name", ["residual 2D", "gated 2D", "dense 2D"])
def test_exported_programs_get_the_maps_of_the_eager_network(build: Any, name: str) -> None:
    network, inputs = build(name, 1)
    program = torch.export.export(network, (inputs,)).module()
    found = explain(program, inputs, IDS, 1, parameters=FEW, batch_size=1, skip_undefined=True)
    plain = explain(network, inputs, IDS, 1, parameters=FEW, batch_size=1, skip_undefined=True)
    assert set(plain) - set(found) <= {"full-grad"}  # whose library sees modules only
    for key in found:
        torch.testing.assert_close(found[key].signed, plain[key].signed, rtol=1e-4, atol=1e-6, msg=key)


def test_torch_batch_norm_is_read_in_its_own_order(build: Any) -> None:
    network, inputs = build("residual 2D")
    plain = explain(network, inputs, ["lrp-epsilon-plus"], 1)["lrp-epsilon-plus"]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = functools.partial(lower_normalisation, module)
    found = explain(network, inputs, ["lrp-epsilon-plus"], 1)["lrp-epsilon-plus"]
    torch.testing.assert_close(found.signed, plain.signed)


def lower_normalisation(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return torch.batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, False, 0.1, norm.eps, False)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"methods": ["grad-camm"]}, "Did you mean grad-cam"),
        ({"methods": ["phrenology"]}, "Choose one of"),
        ({"parameters": {"smooth-grad": {"sigmas": 1}}}, "no parameter 'sigmas'"),
        ({"parameters": {"smooth-grad": {"samples": 1}}}, "from 2 to 1000"),
        ({"parameters": {"integrated-gradients": {"steps": "many"}}}, "a whole number"),
        ({"target": 3}, "from 0 to 2"),
        ({"target": -1}, "from 0 to 2"),
        ({"target": [0, 1]}, "2 targets were given for 3 inputs"),
        ({"layer": "stem_nrm"}, "Did you mean stem_norm"),
        ({"layer": "head"}, "no feature maps with more than one position"),
        ({"baseline": "white"}, "minimum, zero, mean, maximum, blur"),
        ({"baseline": torch.zeros(1, 1, 5, 5)}, "does not fit"),
        ({"inputs": torch.zeros(3, 2)}, "three spatial axes"),
        ({"inputs": torch.zeros(3, 2, 0, 4)}, "none of them empty"),
        ({"inputs": torch.full((1, 2, 9, 9), float("nan"))}, "not finite"),
    ],
)
def test_mistakes_are_said_with_the_way_out_and_never_skipped(build: Any, wishes: dict[str, Any], words: str) -> None:
    network, inputs = build("residual 2D")
    given = {"methods": ["gradient", "grad-cam", "smooth-grad", "integrated-gradients"], "target": 0, **wishes}
    with pytest.raises(UserError) as caught:
        explain(network, given.pop("inputs", inputs), skip_undefined=True, **given)
    assert words in str(caught.value)


def test_baselines_are_what_their_names_say(build: Any) -> None:
    network, inputs = build("functional 2D")
    flat = inputs.flatten(2)
    expected = {
        "zero": torch.zeros_like(inputs),
        "minimum": flat.amin(2)[..., None, None].expand_as(inputs),
        "mean": flat.mean(2)[..., None, None].expand_as(inputs),
        "blur": torch.from_numpy(ndimage.gaussian_filter(inputs.numpy(), [0, 0, 1.7, 1.4], mode="nearest")),
    }
    assert inputs.shape[2:] == (17, 14)

    def integrated(baseline: str | Tensor | None) -> Tensor:
        key = "integrated-gradients"
        return explain(network, inputs, [key], 1, baseline=baseline, parameters={key: {"steps": 3}})[key].values

    for name, tensor in expected.items():
        torch.testing.assert_close(integrated(name), integrated(tensor), rtol=1e-4, atol=1e-6)
    assert torch.equal(integrated(None), integrated("minimum"))


def test_names_are_forgiving(build: Any) -> None:
    network, inputs = build("functional 2D")
    found = explain(network, inputs, ["Saliency", "guided_backprop", "grad-cam++"], 1)
    assert list(found) == ["gradient", "guided-backprop", "grad-cam-plus-plus"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("IG", "integrated-gradients"), ("lrp", "lrp-epsilon-plus"), ("integrated-gradient", "integrated-gradients")],
)
def test_a_family_and_initials_are_understood_when_a_method_is_refused(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"Did you mean .*{meant}"):
        method(name)


def test_results_answer_to_every_name_of_a_method() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    results = explain(network, torch.rand(1, 1, 8, 8), ["saliency", "grad_cam"], 0)
    assert list(results) == ["gradient", "grad-cam"]
    assert results["saliency"] is results["gradient"]
    assert results["grad_cam"] is results["grad-cam"]
    for name in ("hires-cam", "no such method"):
        with pytest.raises(KeyError):
            results[name]


def test_an_array_and_wrong_parameters_of_an_idle_method_are_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(UserError, match="no tensor"):
        explain(network, torch.rand(1, 1, 2, 2).numpy(), "gradient", 0)
    assert explain(network, torch.rand(1, 1, 2, 2), "gradient", 0, parameters={"integrated-gradients": {"steps": 5}})
    with pytest.raises(UserError, match="stepz"):
        explain(network, torch.rand(1, 1, 2, 2), "gradient", 0, parameters={"integrated-gradients": {"stepz": 5}})


def test_saliency_tubes_blames_the_layer_when_the_layer_is_to_blame() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    inputs = torch.randn(1, 1, 8, 8)
    assert explain(network, inputs, "saliency-tubes", 0, layer="1")
    with pytest.raises(UserError, match="the chosen layer's do not"):
        explain(network, inputs, "saliency-tubes", 0, layer="0")
