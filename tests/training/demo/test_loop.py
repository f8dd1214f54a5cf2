import torch

from saliency_viewer.models.builtin import BUILTIN
from saliency_viewer.training.demo.data import jitter
from saliency_viewer.training.demo.loop import PairPlan, Samples, train
from saliency_viewer.training.demo.recipes import RECIPES


def squares(count):
    random = torch.Generator().manual_seed(0)
    inputs = 0.1 * torch.randn(count, 1, 32, 32, generator=random)
    labels = torch.arange(count) % 2
    inputs[:, :, 8:16, 8:16] += labels.reshape(-1, 1, 1, 1)
    return Samples(inputs, labels)


def test_the_loop_learns_and_leaves_the_network_in_evaluation_mode():
    torch.manual_seed(0)
    network = BUILTIN["small-cnn-2d"](width=4)
    samples = squares(40)
    train(network, samples, PairPlan(epochs=16, batch_size=8, learning_rate=1e-2))
    assert not network.training
    with torch.no_grad():
        assert (network(samples.inputs).argmax(1) == samples.labels).float().mean() > 0.95


def test_the_same_seed_trains_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        network = BUILTIN["small-cnn-2d"](width=2)
        train(network, squares(16), PairPlan(epochs=1, batch_size=8, seed=5))
        states.append(network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_augmentation_treats_a_pair_alike():
    recipe = RECIPES["brain"]
    pair = torch.rand(1, 1, 6, 7, 8).repeat(2, 1, 1, 1, 1)
    changed = jitter(recipe, pair, torch.Generator().manual_seed(1))
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed, pair)
