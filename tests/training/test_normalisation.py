import numpy as np
import pytest
import torch
from torch import nn

from saliency_viewer.errors import Cancelled
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.batches import shuffled
from saliency_viewer.training.normalisation import refresh_statistics


def network():
    return nn.Sequential(nn.Identity(), nn.BatchNorm2d(2), nn.Dropout(0.5))


def test_the_statistics_become_those_of_the_cases(as_inputs):
    array = np.random.default_rng(1).normal(3, 2, (8, 2, 5, 6)).astype(np.float32)
    inputs, module = as_inputs(array, 2), network()
    module[1].running_mean.fill_(99.0)
    refresh_statistics(module, inputs, range(8), 4, "cpu", RunContext())
    torch.testing.assert_close(module[1].running_mean, torch.from_numpy(array.mean((0, 2, 3))))
    # The mean over the batches of each batch's variance.
    order = [array[list(batch)] for batch in shuffled(range(8), 4, 0, 0)]
    wanted = np.mean([part.var(axis=(0, 2, 3), ddof=1) for part in order], axis=0)
    torch.testing.assert_close(module[1].running_var, torch.from_numpy(wanted))
    assert module[1].momentum == 0.1
    assert not any(layer.training for layer in module.modules())


def test_a_wish_to_stop_leaves_the_momentum_as_it_was(as_inputs):
    module, inputs = network(), as_inputs(np.zeros((4, 2, 5, 6)), 2)
    with pytest.raises(Cancelled):
        refresh_statistics(module, inputs, range(4), 2, "cpu", RunContext(cancel=lambda: True))
    assert module[1].momentum == 0.1


def test_networks_without_such_statistics_are_left_alone(as_inputs):
    module = nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2)).train()
    refresh_statistics(module, as_inputs(np.zeros((4, 2, 5, 6))), range(4), 2, "cpu", RunContext(cancel=lambda: True))
    assert not module.training
