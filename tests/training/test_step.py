import pytest
import torch
from torch import nn

from saliency_viewer.domain import TrainingSettings
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.step import Stepper

LABELS = torch.tensor([0, 1, 1, 0, 1, 0])


class Linear(nn.Module):
    """No batch normalisation, so that pieces of a batch give exactly its gradient."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.head = nn.Linear(5, 2)
        self.most = 100
        self.sizes: list[int] = []

    def forward(self, inputs):
        self.sizes.append(len(inputs))
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.head(inputs)


def stepper(network, say=None, weights=(1.0, 1.0), **settings):
    return Stepper(
        network, torch.tensor(weights), TrainingSettings(**settings), "cpu", say if say is not None else [].append
    )


def inputs(count=6):
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(0))


def test_the_loss_is_torchs_weighted_mean():
    network = Linear()
    with torch.no_grad():
        wanted = nn.functional.cross_entropy(network.head(inputs()), LABELS, torch.tensor([0.5, 2.0]))
    found = stepper(network, weights=(0.5, 2.0)).step(inputs(), LABELS, 1e-3, RunContext())
    assert found == pytest.approx(float(wanted), rel=1e-6)


def test_a_step_is_torchs_adamw_with_a_clipped_gradient():
    network, other = Linear(), Linear()
    stepper(network, weight_decay=0.1).step(inputs(), LABELS, 1e-2, RunContext())
    optimiser = torch.optim.AdamW(other.parameters(), 1e-2, weight_decay=0.1)
    nn.functional.cross_entropy(other.head(inputs()), LABELS).backward()
    nn.utils.clip_grad_norm_(other.parameters(), 1.0)
    optimiser.step()
    torch.testing.assert_close(network.head.weight, other.head.weight)


def test_without_memory_for_the_batch_its_pieces_give_the_same_step():
    network, other, said = Linear(), Linear(), []
    network.most = 2
    one = stepper(network, said.append, weights=(0.5, 2.0))
    loss = one.step(inputs(), LABELS, 1e-2, RunContext())
    assert loss == pytest.approx(stepper(other, weights=(0.5, 2.0)).step(inputs(), LABELS, 1e-2, RunContext()))
    torch.testing.assert_close(network.head.weight, other.head.weight)
    assert one.parts == 4
    assert network.sizes == [6, 3, 2, 2, 2]  # tried whole, in two parts, in four parts of two at most
    assert "2 parts" in said[0]
    assert "4 parts" in said[1]


def test_the_parts_stay_for_the_next_batch():
    network = Linear()
    network.most = 3
    one = stepper(network)
    one.step(inputs(), LABELS, 1e-2, RunContext())
    network.sizes.clear()
    one.step(inputs(), LABELS, 1e-2, RunContext())
    assert network.sizes == [3, 3]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError("std::bad_alloc"),
    ],
    ids=str,
)
def test_memory_errors_by_other_names_are_known(error):
    network = Linear()
    plain = network.forward

    def forward(values):
        if len(values) > 3:
            raise error
        return plain(values)

    network.forward = forward
    one = stepper(network)
    one.step(inputs(), LABELS, 1e-2, RunContext())
    assert one.parts == 2


def test_no_memory_for_a_single_image_is_said():
    network = Linear()
    network.most = 0
    with pytest.raises(UserError, match="not enough memory to train this network on a single image"):
        stepper(network).step(inputs(), LABELS, 1e-2, RunContext())


def test_other_errors_keep_their_words():
    network = Linear()
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        stepper(network).step(torch.randn(6, 4), LABELS, 1e-2, RunContext())


def test_a_loss_that_is_no_number_is_named_and_the_weights_stay():
    network = Linear()
    before = network.head.weight.detach().clone()
    with pytest.raises(UserError, match="no longer a number") as caught:
        stepper(network).step(inputs() * float("nan"), LABELS, 1e-2, RunContext())
    assert "learning rate" in caught.value.hint
    assert torch.equal(network.head.weight, before)


def test_batch_normalisation_of_one_value_is_explained():
    network = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).train()
    with pytest.raises(UserError, match="single images"):
        stepper(network).step(inputs(1), LABELS[:1], 1e-2, RunContext())


class Auxiliary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main, self.other = nn.Linear(5, 2), nn.Linear(5, 2)

    def forward(self, values):
        return self.main(values), self.other(values)


def test_a_second_head_counts_four_tenths():
    network = Auxiliary()
    with torch.no_grad():
        main, other = (nn.functional.cross_entropy(outputs, LABELS) for outputs in network(inputs()))
    found = stepper(network).step(inputs(), LABELS, 1e-2, RunContext())
    assert found == pytest.approx(float(main + 0.4 * other), rel=1e-6)


class Slow(nn.Module):
    """Many operators, to be stopped in the midst of."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(5, 5) for _ in range(50))
        self.head = nn.Linear(5, 2)

    def forward(self, values):
        for layer in self.layers:
            values = layer(values)
        return self.head(values)


@pytest.mark.parametrize("after", [20, 70])  # operators: on the way forward, and on the way back
def test_a_wish_to_stop_is_heard_within_the_step_and_the_weights_stay(after):
    network, asked = Slow(), []

    def cancel():
        asked.append(1)
        return len(asked) > after

    before = network.head.weight.detach().clone()
    with pytest.raises(Cancelled):
        stepper(network).step(inputs(), LABELS, 1e-2, RunContext(cancel=cancel))
    assert len(asked) == after + 1
    assert torch.equal(network.head.weight, before)
