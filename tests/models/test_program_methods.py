"""Attribution methods on networks read from program files give the maps that the original network gets."""

from __future__ import annotations

import pytest
import torch
import torch_programs as files

from saliency_viewer.attribution import METHODS, explain

KINDS = [("torchscript", "trace"), ("torchscript", "script"), ("exported", "static"), ("exported", "decomposed")]
METHOD_IDS = (
    *("gradient", "layer-grad-cam", "grad-cam-plus-plus", "guided-backprop", "deconvnet", "deep-lift"),
    *("lrp-epsilon-plus", "excitation-backprop", "integrated-gradients", "ablation-cam"),
)
# Few samples: what is tested is whether a method applies, not how well it estimates.
SAMPLED = ("smooth-grad", "smooth-grad-squared", "var-grad", "gradient-shap", "smooth-integrated-gradients")
FEW = {key: {"samples": 2} for key in (*SAMPLED, "noise-tunnel-ig")} | {
    "guided-ig": {"steps": 5},
    "rise": {"samples": 20},
}


def written(network, shape, architecture, how):
    content = (files.scripted if architecture == "torchscript" else files.exported)(network, shape, how)
    return files.opened(architecture, content, shape)


def require_same_maps(found, network, images, wanted):
    results = explain(found, images, wanted, 1, parameters=FEW, skip_undefined=True)
    plain = explain(network, images, wanted, 1, parameters=FEW, skip_undefined=True)
    assert set(results) == set(plain)
    assert set(plain)
    for key, expected in plain.items():
        scale = float(expected.signed.abs().max())
        assert scale > 0, key
        torch.testing.assert_close(results[key].signed, expected.signed, rtol=1e-3, atol=1e-4 * scale, msg=key)
    return results, plain


@pytest.mark.parametrize(("architecture", "how"), KINDS)
@pytest.mark.parametrize("axes", [2, 3])
def test_maps_and_layers_are_those_of_the_network(axes, architecture, how):
    network = files.randomised(files.Usual(axes))
    shape = (1, 1, *[12] * axes)
    images = torch.randn(2, *shape[1:], generator=torch.Generator().manual_seed(0))
    results, plain = require_same_maps(written(network, shape, architecture, how), network, images, METHOD_IDS)
    assert set(results) == set(METHOD_IDS)
    assert {key: one.layer for key, one in results.items()} == {key: one.layer for key, one in plain.items()}


def test_a_frozen_program_has_the_same_maps():
    network = files.randomised(files.Usual())
    images = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    found = written(network, (1, 1, 12, 12), "torchscript", "freeze")
    results, _ = require_same_maps(found, network, images, ("gradient", "layer-grad-cam", "guided-backprop"))
    assert results["layer-grad-cam"].layer == "relu_5"


@pytest.mark.parametrize("name", ["resnet18", "densenet", "vit"])
@pytest.mark.parametrize("architecture", ["torchscript", "exported"])
def test_networks_of_torchvision(name, architecture):
    network, shape = files.miniature(name)
    images = torch.randn(1, *shape[1:], generator=torch.Generator().manual_seed(0))
    how = "script" if architecture == "torchscript" else "static"
    wanted = ("gradient", "layer-grad-cam", "guided-backprop", "lrp-epsilon-plus", "deep-lift")
    require_same_maps(written(network, shape, architecture, how), network, images, wanted)


@pytest.mark.parametrize("layer", ["stem", "blocks.0", "blocks.0.norm2", "blocks.1.conv1"])
def test_a_layer_chosen_by_its_own_name(layer):
    network = files.randomised(files.Usual())
    images = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    found = written(network, (1, 1, 12, 12), "torchscript", "script")
    one, other = (explain(model, images, "layer-grad-cam", 1, layer=layer) for model in (found, network))
    torch.testing.assert_close(one["layer-grad-cam"].layer_values, other["layer-grad-cam"].layer_values)


def test_all_methods_apply():
    found = written(files.randomised(files.Usual()), (1, 1, 16, 16), "exported", "static")
    images = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    ids = [method.id for method in METHODS]
    results = explain(found, images, ids, 1, parameters={k: v for k, v in FEW.items() if k in ids}, skip_undefined=True)
    assert set(ids) - set(results) == set()
