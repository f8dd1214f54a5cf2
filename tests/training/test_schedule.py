import pytest
import torch

from saliency_viewer.training.schedule import one_cycle


@pytest.mark.parametrize("steps", [2, 3, 10, 137])
def test_the_rates_are_those_of_torch(steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=steps, cycle_momentum=False)
    wanted = []
    for _ in range(steps):
        wanted.append(schedule.get_last_lr()[0])
        optimiser.step()
        if len(wanted) < steps:
            schedule.step()
    assert [one_cycle(step, steps, 0.02) for step in range(steps)] == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_a_single_step_has_a_rate():
    assert 0 < one_cycle(0, 1, 0.1) <= 0.1
