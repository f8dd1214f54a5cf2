"""timm's networks as packages: predictions, the five maps, and nothing fetched."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import timm
import torch

from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package, write_package

CAMS = ("grad-cam", "grad-cam-plus-plus", "hires-cam", "respond-cam", "layer-cam")
RULES = ("guided-backprop", "deep-lift", "lrp-epsilon-plus")
# What is not defined, by the kind of network: activations other than ReLU, attention, layer normalisation.
FAMILIES = {
    "resnet18": (64, set()),
    "efficientnet_b0": (64, {"guided-backprop"}),
    "tf_efficientnetv2_s": (64, {"guided-backprop"}),
    "convnext_pico": (64, set(RULES)),
    "vit_tiny_patch16_224": (224, set(RULES)),
    "swin_tiny_patch4_window7_224": (224, set(RULES)),
}


def package(make, folder, name, size, arguments="num_classes = 3, in_chans = 1", state=None, classes=("a", "b", "c")):
    if state is None:
        torch.manual_seed(0)
        state = timm.create_model(name, num_classes=3, in_chans=1).state_dict()
    card = make.card_text(
        model=f'name = "t"\narchitecture = "timm:{name}"\narguments = {{ {arguments} }}',
        output=f"classes = {list(classes)}",
        inputs=f"size = [{size}, {size}]",
    )
    write_package(folder, card, state)
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_predicts_as_timm_does_and_is_explained(make, tmp_path, name):
    size, refused = FAMILIES[name]
    torch.manual_seed(0)
    own = timm.create_model(name, num_classes=3, in_chans=1).eval()
    found = load_package(package(make, tmp_path / "p", name, size, state=own.state_dict()))
    image = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(found.network(image), own(image))
    results = explain(found.network, image, [*CAMS, *RULES], 1, skip_undefined=True)
    assert set(CAMS) <= set(results)
    assert set(results.undefined) == refused
    for method in CAMS:
        assert results[method].signed.shape == (1, 1, size, size)
        assert bool(torch.isfinite(results[method].signed).all())
        assert bool(results[method].signed.any())


def test_all_methods_answer_with_a_map_or_a_reason(make, tmp_path):
    found = load_package(package(make, tmp_path / "p", "resnet18", 64))
    few = {"rise": {"samples": 10}, "guided-ig": {"steps": 3}}
    ids = [method.id for method in METHODS]
    results = explain(found.network, torch.randn(1, 1, 64, 64), ids, 1, parameters=few, skip_undefined=True)
    assert set(results) == set(ids)


def test_nothing_is_fetched(make, tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("the network was asked"))
    load_package(package(make, tmp_path / "p", "resnet18", 64))
    for name in ("pretrained = true", 'pretrained_cfg = "tv_in1k"', 'checkpoint_path = "/tmp/x"'):
        folder = package(make, tmp_path / name.split()[0], "resnet18", 32, f"num_classes = 3, in_chans = 1, {name}")
        with pytest.raises(UserError, match=r"would (fetch|take) weights"):
            load_package(folder)


def test_a_weights_tag_behind_the_name_is_only_a_name(make, tmp_path):
    folder = package(make, tmp_path / "p", "resnet18", 32)
    text = (folder / "model.toml").read_text().replace("timm:resnet18", "timm:resnet18.a1_in1k")
    (folder / "model.toml").write_text(text)
    image = make.volume(np.random.default_rng(0).random((1, 40, 40), dtype=np.float32))
    assert load_package(folder).predict(image).classes == ("a", "b", "c")


def test_weights_of_another_network_are_refused(make, tmp_path):
    state = timm.create_model("resnet34", num_classes=3, in_chans=1).state_dict()
    with pytest.raises(UserError, match="do not belong to this network"):
        load_package(package(make, tmp_path / "p", "resnet18", 32, state=state))


def test_without_timm_the_cure_is_named(make, tmp_path, monkeypatch):
    import sys

    folder = package(make, tmp_path / "p", "resnet18", 32)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="needs timm") as caught:
        load_package(folder)
    assert "saliency-viewer[timm]" in caught.value.hint
