"""Borrowing a network and giving it back exactly as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def borrowed(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen parameters and a private random state; all of it undone at the end, whatever happens.

    Buffers are restored too, for networks that count or average in their forward pass even when evaluating.
    The caller's no-grad mode, inference mode and autocast are off inside: they forbid gradients or round them.
    """
    modes = [(module, module.training) for module in network.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.device.type == "cuda"})
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=devices))
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for kind in ("cpu", *["cuda"] * bool(devices)):
                stack.enter_context(torch.autocast(kind, enabled=False))
            # Not network.eval(), which exported programs refuse.
            for module, _ in modes:
                module.training = False
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, wanted in flags:
            parameter.requires_grad_(wanted)
        with torch.no_grad():
            for module, name, buffer, before in buffers:
                module._buffers[name] = buffer  # a forward pass may have put another tensor in its place
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def full_precision(network: nn.Module) -> nn.Module:
    """The network itself, or a float32 copy when its weights are 16-bit floats."""
    halves = (torch.float16, torch.bfloat16)
    if any(parameter.dtype in halves for parameter in network.parameters()):
        return copy.deepcopy(network).float()
    return network


def working_inputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs on the network's device, in its floating type (float32 without parameters)."""
    parameter = next((p for p in network.parameters() if torch.is_floating_point(p)), None)
    if parameter is None:
        working = inputs.detach().float()
    else:
        working = inputs.detach().to(device=parameter.device, dtype=parameter.dtype)
    return working.clone() if working.is_inference() else working
