import numpy as np
import pytest
import torch

from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.training.metrics import log_loss
from saliency_viewer.training.predictions import softmax
from saliency_viewer.training.temperature import fitted_temperature, folded


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_overconfident_logits_is_found(temperature):
    random = np.random.default_rng(1)
    true = 2 * random.standard_normal((20_000, 3))
    probabilities = softmax(true)
    labels = np.array([random.choice(3, p=row) for row in probabilities])
    assert fitted_temperature(true * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_a_smaller_loss():
    random = np.random.default_rng(2)
    logits = 3 * random.standard_normal((200, 2))
    labels = (random.random(200) < softmax(logits / 2)[:, 1]).astype(int)
    best = fitted_temperature(logits, labels)
    losses = [log_loss(softmax(logits / other), labels) for other in np.geomspace(0.05, 20, 500)]
    assert log_loss(softmax(logits / best), labels) <= min(losses) + 1e-9


def test_perfect_separation_does_not_lead_to_certainty_without_end():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert fitted_temperature(logits, np.array([0, 1])) == pytest.approx(1 / 20, rel=1e-3)


def test_a_folded_head_divides_the_logits():
    network = SmallCNN(2, width=4, downsamplings=1).eval()
    inputs = torch.randn(3, 1, 12, 12)
    with torch.no_grad():
        before = network(inputs)
        network.load_state_dict(folded(network.state_dict(), "head", 2.5))
        torch.testing.assert_close(network(inputs), before / 2.5)
