"""The network is given back as it was, also when it keeps records, and the caller's torch modes do no harm."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.results import Results


class Counting(nn.Module):
    """Counts its calls twice: in place, and by putting a new tensor where the buffer was."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(3, 2)
        self.register_buffer("written", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))
        self.register_buffer("made", None)

    def forward(self, x: Tensor) -> Tensor:
        self.written += 1
        self.replaced = self.replaced + 1
        self.made = x.mean()
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture
def counting() -> Counting:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Counting()


@pytest.fixture
def inputs() -> Tensor:
    return torch.linspace(-1, 1, 2 * 8 * 7).sin().reshape(2, 1, 8, 7)


def test_buffers_that_forward_writes_or_replaces_come_back(counting: Counting, inputs: Tensor) -> None:
    written, replaced = counting.written, counting.replaced
    explain(counting, inputs, ["gradient", "smooth-grad"], 0)
    assert counting.written is written
    assert counting.replaced is replaced
    assert float(written) == float(replaced) == 0.0
    assert counting.made is None


def test_a_network_that_several_threads_explain_comes_back_when_the_last_is_done(
    counting: Counting, inputs: Tensor
) -> None:
    counting.train()
    first, second_inside, first_done = threading.get_ident(), threading.Event(), threading.Event()
    modes = []

    def meet(*_: object) -> None:
        if threading.get_ident() == first:
            running.append(pool.submit(explain, counting, inputs, "gradient", 0))
            assert second_inside.wait(30)
            return
        second_inside.set()
        first_done.wait(30)
        modes.append((counting.training, any(p.requires_grad for p in counting.parameters())))

    running: list[Future[Results]] = []
    handle = counting.conv.register_forward_pre_hook(meet)
    with ThreadPoolExecutor(1) as pool:
        explain(counting, inputs, "gradient", 0)
        first_done.set()
        running[0].result()
    handle.remove()
    assert set(modes) == {(False, False)}
    assert counting.training
    assert all(p.requires_grad for p in counting.parameters())
    assert float(counting.written) == 0.0


def test_sixteen_bit_weights_in_inference_mode(inputs: Tensor) -> None:
    network = Counting().bfloat16()
    plain = explain(network, inputs, "gradient", 0)["gradient"].signed
    with torch.inference_mode():
        assert torch.equal(explain(network, inputs, "gradient", 0)["gradient"].signed, plain)


BUFFERS = {
    "a matrix": torch.arange(6.0).reshape(2, 3),
    "seen crosswise": torch.arange(6.0).reshape(2, 3).T,
    "whole numbers": torch.arange(4),
    "truths": torch.tensor([True, False]),
    "nothing": torch.zeros(0, 3),
    "sparse": torch.eye(3).to_sparse(),
}


def test_buffers_of_every_kind_come_back(counting: Counting, inputs: Tensor) -> None:
    for number, buffer in enumerate(BUFFERS.values()):
        counting.register_buffer(f"kind_{number}", buffer.clone())
        counting.conv.register_buffer(f"shared_{number}", counting.get_buffer(f"kind_{number}"))
    counting.register_forward_hook(lambda module, _inputs, _output: [_empty(b) for b in module.buffers()] and None)
    explain(counting, inputs, ["gradient", "smooth-grad"], 0)
    for number, (name, buffer) in enumerate(BUFFERS.items()):
        found = getattr(counting, f"kind_{number}")
        assert found.layout == buffer.layout
        assert torch.equal(found.to_dense(), buffer.to_dense()), name


def _empty(buffer: Tensor) -> None:
    buffer.copy_(torch.zeros_like(buffer))


class Unswitchable(Counting):
    """Refuses ``eval()``, as exported programs do."""

    def eval(self) -> Unswitchable:
        raise NotImplementedError("no eval here")


def test_a_network_that_refuses_eval_is_still_evaluated(inputs: Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Unswitchable().train()
        reference = Counting()
    reference.load_state_dict(network.state_dict())
    found = explain(network, inputs, ["gradient"], 1)["gradient"].values
    assert torch.equal(found, explain(reference, inputs, ["gradient"], 1)["gradient"].values)
    assert network.training


@pytest.mark.parametrize(
    "mode",
    [torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16)],
    ids=["no_grad", "inference_mode", "autocast"],
)
def test_the_callers_torch_mode_changes_no_map(
    counting: Counting, inputs: Tensor, mode: AbstractContextManager[None]
) -> None:
    wanted = ["gradient", "grad-cam", "lrp-epsilon-plus", "integrated-gradients"]
    plain = explain(counting, inputs, wanted, 0)
    with mode:
        inside = explain(counting, inputs.clone(), wanted, 0)
    for key in wanted:
        assert torch.equal(inside[key].signed, plain[key].signed), key
