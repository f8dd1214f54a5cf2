import numpy as np
import pytest
import torch

from saliency_viewer.domain import TrainingData, TrainingSettings, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package, write_package
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry
from saliency_viewer.training.cards import training_card
from saliency_viewer.training.inputs import prepared_array
from saliency_viewer.training.networks import NETWORKS, build_untrained, network_named
from saliency_viewer.training.step import Stepper

# Smaller than in use where the network takes it: one step each is to cost seconds together.
SIZES = {"inception-v3": 107, "small-cnn-3d": 16}
DATA = TrainingData(("normal", "lesion"), (), "lesion")


def images(dimensions, seed=0):
    random = np.random.default_rng(seed)
    shape = (12, 40, 36) if dimensions == 3 else (1, 60, 50)
    geometry = Geometry.from_spacing(shape, (3.0, 1.0, 1.0), "patient", True)
    return [Volume(random.integers(0, 900, shape).astype(np.int16), geometry, modality="MR") for _ in range(2)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_every_network_trains_a_step_and_gives_a_package_that_predicts_and_explains(network, tmp_path):
    from saliency_viewer.pipeline import Model

    settings = TrainingSettings(size=SIZES.get(network.name, 64))
    volumes = images(network.dimensions)
    card = training_card(network, DATA, settings, volumes)
    module = build_untrained(network, card.arguments, settings.size, 0)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    arrays = np.stack([prepared_array(card.input, volume) for volume in volumes])
    inputs = torch.from_numpy(arrays).expand(-1, network.channels, *[-1] * network.dimensions)
    stepper = Stepper(module.train(), torch.ones(2), settings, "cpu", [].append)
    stepper.step(inputs, torch.tensor([0, 1]), 1e-3, RunContext())
    after = module.state_dict()
    for name in (f"{network.head}.weight", next(name for name, _ in module.named_parameters())):
        assert not torch.equal(before[name], after[name])
    write_package(tmp_path / "package", card, after)
    del module, stepper, before, after
    classifier = load_package(tmp_path / "package")
    assert dict(classifier.network.named_modules())[network.head].weight.shape[0] == 2
    model = Model(classifier)
    prediction = model.predict(volumes[0])
    assert prediction.probabilities.sum() == pytest.approx(1.0)
    amap = model.explain(volumes[0], "grad-cam", target="lesion")
    assert amap.array.shape == volumes[0].geometry.shape
    assert amap.provenance.layer.startswith(network.layer)
    assert np.isfinite(amap.array).any()
    assert np.nanstd(amap.array) > 0


def test_inceptions_second_head_trains_along_and_stays_out_of_the_package(tmp_path):
    network = network_named("InceptionV3")
    card = training_card(network, DATA, TrainingSettings(), [])
    module = build_untrained(network, card.arguments, 299, 0).train()
    before = module.AuxLogits.fc.weight.detach().clone()
    stepper = Stepper(module, torch.ones(2), TrainingSettings(), "cpu", [].append)
    stepper.step(torch.randn(2, 3, 299, 299), torch.tensor([0, 1]), 1e-3, RunContext())
    assert not torch.equal(before, module.AuxLogits.fc.weight)
    state = {key: value for key, value in module.state_dict().items() if not key.startswith(network.auxiliary)}
    write_package(tmp_path / "package", card, state)
    assert load_package(tmp_path / "package").network.AuxLogits is None
    assert build_untrained(network, card.arguments, 128, 0).AuxLogits is None


def test_weights_follow_the_seed_and_torches_random_state_is_left_alone():
    network = network_named("small-cnn-2d")
    before = torch.get_rng_state()
    first, second, other = (build_untrained(network, {"width": 4}, 32, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first["head.weight"], second["head.weight"])
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("DenseNet121", "densenet121"),
        ("InceptionV3", "inception-v3"),
        ("EfficientNet-B0", "efficientnet-b0"),
        ("efficientnet_v2_s", "efficientnet-v2-s"),
        ("EfficientNetV2-S", "efficientnet-v2-s"),
        ("MobileNet", "mobilenet-v2"),
        ("mobilenet_v3_large", "mobilenet-v3-large"),
        ("torchvision:resnet50", "resnet50"),
        ("DenseNet121 3D", "densenet121-3d"),
        ("small_cnn_2d", "small-cnn-2d"),
    ],
)
def test_a_network_is_known_however_it_is_written(written, name):
    assert network_named(written).name == name


def test_no_name_means_two_networks():
    names = [
        "".join(letter for letter in text.lower() if letter.isalnum() or letter == ":")
        for network in NETWORKS
        for text in {network.name, network.label, network.architecture, *network.aliases}
    ]
    by_network = [{n for n in names if network_named(n) is network} for network in NETWORKS]
    assert sum(map(len, by_network)) == len(set(names))


def test_an_unknown_network_gets_the_nearest_name():
    with pytest.raises(UserError, match="Did you mean 'resnet50'"):
        network_named("resnet5")
