import numpy as np
import pytest

from saliency_viewer.domain import TrainingData, TrainingSettings, Volume
from saliency_viewer.models import card_to_toml, parse_card
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.spatial import Geometry
from saliency_viewer.training.cards import training_card
from saliency_viewer.training.networks import NETWORKS, network_named

DATA = TrainingData(("normal", "lesion"), (), "lesion")


def volume(shape=(1, 40, 30), spacing=(1.0, 0.5, 0.5), modality="MR", scale=1000, calibration="patient"):
    values = (scale * np.random.default_rng(0).random(shape)).astype(np.int16)
    return Volume(values, Geometry.from_spacing(shape, spacing, calibration, True), modality=modality)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_every_card_is_valid_and_says_what_the_network_is(network):
    samples = [volume((30, 40, 36) if network.dimensions == 3 else (1, 40, 30))]
    card = training_card(network, DATA, TrainingSettings(), samples)
    assert parse_card(card_to_toml(card)) == card
    assert card.architecture == network.architecture
    assert card.input.size == (network.size,) * network.dimensions
    assert card.explain.layer == network.layer
    assert card.explain.target == "lesion"
    assert card.modality == ("MR",)
    assert 2 in card.arguments.values()


def test_sizes_are_those_that_networks_are_used_with():
    sizes = {network.name: network.size for network in NETWORKS}
    assert (sizes["densenet121"], sizes["inception-v3"], sizes["efficientnet-v2-s"]) == (224, 299, 384)
    card = training_card(network_named("resnet50"), DATA, TrainingSettings(size=96), [])
    assert card.input.size == (96, 96)


def test_prepared_pictures_have_the_range_of_imagenet_and_black_borders():
    card = training_card(network_named("resnet50"), DATA, TrainingSettings(size=64), [])
    prepared = Preparation(card.input, volume()).of((0,)).inputs[0].numpy()
    assert prepared.min() == pytest.approx((0 - 0.449) / 0.226, abs=1e-5)
    assert prepared.max() == pytest.approx((1 - 0.449) / 0.226, abs=0.05)
    assert prepared[:, :, 0] == pytest.approx(prepared.min(), abs=1e-5)  # the letterbox of a tall image


def test_hounsfield_units_mean_the_same_in_every_image():
    card = training_card(network_named("small-cnn-2d"), DATA, TrainingSettings(), [volume(modality="CT")])
    low, high = (volume(modality="CT", scale=scale) for scale in (100, 900))
    assert Preparation(card.input, low).of((0,)).inputs.max() < Preparation(card.input, high).of((0,)).inputs.max()
    other = training_card(network_named("small-cnn-2d"), DATA, TrainingSettings(), [volume(modality="MR")])
    assert float(Preparation(other.input, low).of((0,)).inputs.max()) == pytest.approx(1.0, abs=0.03)


def test_flat_voxels_do_not_deform_anatomy():
    """A ball in voxels of 4 x 1 x 1 mm is a ball on the network's grid."""
    shape, spacing = (16, 64, 64), (4.0, 1.0, 1.0)
    z, y, x = (np.arange(n) * mm for n, mm in zip(shape, spacing, strict=True))
    ball = (z[:, None, None] - 30) ** 2 + (y[:, None] - 31) ** 2 + (x - 31) ** 2 < 20**2
    image = Volume((1000 * ball).astype(np.int16), Geometry.from_spacing(shape, spacing, "patient", True))
    card = training_card(network_named("small-cnn-3d"), DATA, TrainingSettings(size=32), [image])
    assert card.input.spacing == (2.0, 2.0, 2.0)
    inside = Preparation(card.input, image).of(()).inputs[0, 0].numpy() > 0.5
    widths = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {k}))).size for k in range(3)]
    assert max(widths) - min(widths) <= 2


def test_without_calibration_there_is_no_spacing():
    card = training_card(
        network_named("small-cnn-3d"), DATA, TrainingSettings(), [volume((9, 9, 9), calibration="none")]
    )
    assert card.input.spacing == ()


@pytest.mark.parametrize(
    ("classes", "name", "target"),
    [
        (("normal", "lesion"), "ResNet50 for lesion", "lesion"),
        (("0", "1"), "ResNet50 for class 1", "1"),
        (("No Finding", "Mass"), "ResNet50 for Mass", "Mass"),
        (("AP supine", "PA"), "ResNet50 for AP supine or PA", None),
        (("a", "b", "c", "d"), "ResNet50 for 4 classes", None),
    ],
)
def test_a_class_is_the_target_where_the_other_is_its_absence(classes, name, target):
    card = training_card(network_named("resnet50"), TrainingData(classes, ()), TrainingSettings(), [])
    assert (card.name, card.explain.target) == (name, target)


def test_three_classes_have_no_target_of_their_own():
    data = TrainingData(("a", "b", "c"), (), "finding", modality=("CT",))
    card = training_card(network_named("vgg16"), data, TrainingSettings(), [])
    assert card.explain.target is None
    assert card.arguments["num_classes"] == 3
    assert card.modality == ("CT",)
