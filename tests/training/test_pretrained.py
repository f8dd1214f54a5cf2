import re

import pytest
import torch
import torchvision

from saliency_viewer.errors import UserError
from saliency_viewer.training.networks import build_untrained, network_named
from saliency_viewer.training.pretrained import cache_folder, start_from

MOBILE = network_named("mobilenet-v2")
DENSE = network_named("densenet121")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch home"))
    return tmp_path / "torch home"


def module_of(network, classes=3):
    return build_untrained(network, network.arguments_for(classes), 64, 0)


def of_imagenet(name, **arguments):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return torchvision.models.get_model(name, weights=None, **arguments).state_dict()


def test_a_file_fills_everything_but_the_head(tmp_path):
    given = of_imagenet("mobilenet_v2")
    torch.save(given, tmp_path / "weights.pth")
    module = module_of(MOBILE)
    head = module.classifier[1].weight.detach().clone()
    start_from(MOBILE, module, str(tmp_path / "weights.pth"))
    state = module.state_dict()
    assert torch.equal(state["classifier.1.weight"], head)
    assert all(torch.equal(value, given[key]) for key, value in state.items() if not key.startswith("classifier"))


def test_a_head_of_as_many_classes_is_taken_along(tmp_path):
    given = of_imagenet("mobilenet_v2", num_classes=3)
    torch.save({"state_dict": {f"module.{key}": value for key, value in given.items()}}, tmp_path / "w.ckpt")
    module = module_of(MOBILE)
    start_from(MOBILE, module, str(tmp_path / "w.ckpt"))
    assert torch.equal(module.classifier[1].weight, given["classifier.1.weight"])


def test_imagenet_weights_come_from_torchvisions_cache(own_cache):
    name = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    given = of_imagenet("mobilenet_v2")
    cache_folder().mkdir(parents=True)
    assert own_cache in cache_folder().parents
    torch.save(given, cache_folder() / name)
    module = module_of(MOBILE)
    start_from(MOBILE, module, "imagenet")
    assert torch.equal(module.features[0][0].weight, given["features.0.0.weight"])


def test_the_names_that_densenet_had_in_torchvisions_files_are_known(own_cache):
    given = of_imagenet("densenet121")
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in given.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    cache_folder().mkdir(parents=True)
    torch.save(old, cache_folder() / "densenet121-a639ec97.pth")
    module = module_of(DENSE)
    start_from(DENSE, module, "imagenet")
    key = "features.denseblock1.denselayer1.norm1.weight"
    assert torch.equal(module.state_dict()[key], given[key])


def test_an_empty_cache_says_where_it_looked_and_for_what_and_nothing_is_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_a, **_k: pytest.fail("fetched"))
    with pytest.raises(UserError, match="not in torchvision's cache") as caught:
        start_from(DENSE, module_of(DENSE), "imagenet")
    assert "densenet121-a639ec97.pth" in caught.value.hint
    assert "torch home/hub/checkpoints" in caught.value.hint
    assert str(tmp_path) not in str(caught.value)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    torch.save(of_imagenet("resnet18"), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"do not belong to MobileNetV2: no features\.0\.0\.weight"):
        start_from(MOBILE, module_of(MOBILE), str(tmp_path / "w.pth"))


def test_a_weight_of_another_shape_is_named_with_both(tmp_path):
    given = of_imagenet("mobilenet_v2")
    given["features.0.0.weight"] = torch.zeros(32, 1, 3, 3)
    torch.save(given, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"32 x 1 x 3 x 3 in the file, 32 x 3 x 3 x 3 in the network"):
        start_from(MOBILE, module_of(MOBILE), str(tmp_path / "w.pth"))


def test_networks_without_imagenet_weights_say_so(tmp_path):
    small = network_named("small-cnn-2d")
    with pytest.raises(UserError, match="no ImageNet weights"):
        start_from(small, module_of(small), "imagenet")


def test_an_absent_file_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        start_from(MOBILE, module_of(MOBILE), str(tmp_path / "none.pth"))


def test_pretrained_inception_keeps_the_scaling_that_it_was_trained_under():
    network = network_named("inception-v3")
    assert network.arguments_for(2, pretrained=True)["transform_input"] is True
    assert "transform_input" not in network.arguments_for(2)
