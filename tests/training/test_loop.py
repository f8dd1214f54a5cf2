import torch

from saliency_viewer.models.builtin import BUILTIN
from saliency_viewer.training.loop import Samples, TrainingPlan, misplaced_evidence, train


def squares(count):
    random = torch.Generator().manual_seed(0)
    inputs = 0.1 * torch.randn(count, 1, 32, 32, generator=random)
    labels = torch.arange(count) % 2
    masks = torch.zeros_like(inputs)
    masks[:, :, 8:16, 8:16] = labels.reshape(-1, 1, 1, 1).float()
    return Samples(inputs + masks, labels, masks)


def test_the_loop_learns_and_leaves_the_network_in_evaluation_mode():
    torch.manual_seed(0)
    network = BUILTIN["small-cnn-2d"](width=4)
    samples = squares(40)
    train(network, samples, TrainingPlan(epochs=8, batch_size=8, learning_rate=1e-2, evidence=0.2))
    assert not network.training
    with torch.no_grad():
        assert (network(samples.inputs).argmax(1) == samples.labels).float().mean() > 0.95


def test_the_same_seed_trains_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        network = BUILTIN["small-cnn-2d"](width=2)
        train(network, squares(16), TrainingPlan(epochs=1, batch_size=8, seed=5))
        states.append(network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_misplaced_evidence_is_the_share_of_the_map_off_the_lesion():
    head = torch.nn.Linear(1, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[0.0], [1.0]]))
    features = torch.zeros(2, 1, 4, 4)
    features[:, :, 0, 0], features[:, :, 3, 3] = 3.0, 1.0
    masks = torch.zeros(2, 1, 8, 8)
    masks[1, :, :2, :2] = 1
    labels = torch.tensor([0, 1])
    assert abs(float(misplaced_evidence(features, head, masks, labels).detach()) - 0.25) < 1e-6
    assert float(misplaced_evidence(features, head, masks, torch.zeros(2, dtype=torch.int64)).detach()) == 0
