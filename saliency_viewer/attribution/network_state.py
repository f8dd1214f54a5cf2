"""Borrowing a network and giving it back exactly as it was."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Inventory:
    """What a network consists of, looked up once, since walking hundreds of modules costs as much as some operators.

    ``names``: each module's first name, the network itself having an empty one.
    """

    names: dict[nn.Module, str]
    parameters: tuple[nn.Parameter, ...]

    @classmethod
    def of(cls, network: nn.Module) -> Inventory:
        """Walk the modules."""
        names: dict[nn.Module, str] = {}
        waiting = [("", network)]
        while waiting:
            name, module = waiting.pop()
            if module in names:
                continue
            names[module] = name
            start = f"{name}." if name else ""
            children = [(start + key, child) for key, child in module._modules.items() if child is not None]
            waiting.extend(reversed(children))  # so that names come in the order of definition
        parameters = {id(p): p for module in names for p in module._parameters.values() if p is not None}
        return cls(names, tuple(parameters.values()))

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return next(iter(self.names))

    @property
    def scripted(self) -> bool:
        """Whether a part of the network is TorchScript, whose operators nobody sees."""
        return any(isinstance(module, torch.jit.ScriptModule) for module in self.names)

    @property
    def hidden(self) -> str:
        """Why rules and layers have no meaning in the network, as it says itself (``operators_hidden``); else empty."""
        return str(getattr(self.network, "operators_hidden", ""))


@contextmanager
def borrowed(inventory: Inventory) -> Iterator[None]:
    """Evaluation mode, frozen parameters and a private random state; all of it undone at the end, whatever happens.

    Buffers are restored too, for networks that count or average in their forward pass even when evaluating. Where
    several threads borrow one network at once, it is given back when the last of them is done.
    The caller's no-grad mode, inference mode and autocast are off inside: they forbid gradients or round them.
    """
    devices = sorted({p.device.index or 0 for p in inventory.parameters if p.device.type == "cuda"})
    with ExitStack() as stack:
        stack.enter_context(_on_loan(inventory))
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", *["cuda"] * bool(devices)):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if devices and any(isinstance(module, nn.RNNBase) for module in inventory.names):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))  # its gradients are for training mode only
        yield


@contextmanager
def _on_loan(inventory: Inventory) -> Iterator[None]:
    network = inventory.network
    with _COUNTER:
        loan = _LOANS.get(network) or _LOANS.setdefault(network, _Loan(inventory))
        loan.borrowers += 1
    try:
        with _COUNTER:
            loan.begin()
        yield
    finally:
        with _COUNTER:
            loan.borrowers -= 1
            if loan.borrowers == 0:
                del _LOANS[network]
                loan.end()


class _Loan:
    """What a network was like before it was borrowed."""

    def __init__(self, inventory: Inventory) -> None:
        self.borrowers = 0
        self._modes = [(module, module.training) for module in inventory.names]
        self._flags = [(parameter, parameter.requires_grad) for parameter in inventory.parameters]
        self._buffers = _Buffers(inventory)

    def begin(self) -> None:
        """Evaluate and freeze."""
        _set((module, False) for module, _ in self._modes)  # not network.eval(), which exported programs refuse
        for parameter, wanted in self._flags:
            if wanted:
                parameter.requires_grad_(False)

    def end(self) -> None:
        """Make it what it was."""
        _set(self._modes)
        for parameter, wanted in self._flags:
            if parameter.requires_grad != wanted:
                parameter.requires_grad_(wanted)
        self._buffers.restore()


_COUNTER = threading.Lock()
_LOANS: weakref.WeakKeyDictionary[nn.Module, _Loan] = weakref.WeakKeyDictionary()


class _Buffers:
    """Which tensors a network's buffers are, and their values: one copy for each dtype and device, not for each buffer.

    Hundreds of small copies take milliseconds. Sparse buffers have copies of their own. What a network writes through
    ``buffer.data`` torch does not count, and is not undone.
    """

    def __init__(self, inventory: Inventory) -> None:
        found = [(module, name, b) for module in inventory.names for name, b in module._buffers.items()]
        self._empty = [(module, name) for module, name, buffer in found if buffer is None]
        self._kept = [(module, name, buffer) for module, name, buffer in found if buffer is not None]
        self._versions = [_version(buffer) for _, _, buffer in self._kept]
        groups: dict[Any, list[Tensor]] = {}
        for _, _, buffer in self._kept:
            parts = groups.setdefault(_group(buffer), [])
            if buffer.layout is torch.strided or not parts:  # one that several modules share is kept once
                parts.append(_flat(buffer))
        with torch.no_grad():
            self._values = {group: torch.cat(parts) for group, parts in groups.items()}

    def restore(self) -> None:
        """Put back the tensors that were exchanged and the values that were written."""
        for module, name in self._empty:
            module._buffers[name] = None
        for module, name, buffer in self._kept:
            buffers = module._buffers  # of TorchScript no dictionary, though it can be asked like one
            if name not in buffers or buffers[name] is not buffer:
                module._buffers[name] = buffer
        if None in self._versions or self._versions != [_version(buffer) for _, _, buffer in self._kept]:
            self._rewrite()

    def _rewrite(self) -> None:
        ends: dict[Any, int] = {}
        with torch.no_grad():
            for (_, _, buffer), version in zip(self._kept, self._versions, strict=True):
                group = _group(buffer)
                before, start = self._values[group], ends.get(group, 0)
                ends[group] = start + buffer.numel()
                if version is None or _version(buffer) != version:
                    buffer.copy_(_part(before, start, buffer))


def _group(buffer: Tensor) -> Any:
    """Buffers of equal groups can lie in one tensor; a number stands for a buffer alone."""
    return (buffer.dtype, buffer.device) if buffer.layout is torch.strided else id(buffer)


def _part(values: Tensor, start: int, like: Tensor) -> Tensor:
    """The values of one buffer among those of its group."""
    return values[start : start + like.numel()].view(like.shape) if like.layout is torch.strided else values


def _flat(buffer: Tensor) -> Tensor:
    """Sparse buffers stay as they are."""
    return buffer.reshape(-1) if buffer.ndim != 1 and buffer.layout is torch.strided else buffer


def _set(modes: Iterable[tuple[nn.Module, bool]]) -> None:
    """Training flags; setting one is slow, so only those that differ."""
    for module, training in modes:
        if module.training != training:
            module.training = training


def _version(buffer: Tensor) -> int | None:
    """Counts writes to a tensor; None where torch does not count."""
    return None if buffer.is_inference() else buffer._version


def full_precision(network: nn.Module, inventory: Inventory) -> tuple[nn.Module, Inventory]:
    """The network itself, or a float32 copy when its weights are 16-bit floats."""
    halves = (torch.float16, torch.bfloat16)
    if any(parameter.dtype in halves for parameter in inventory.parameters):
        # Under the caller's inference mode the copy's weights could not be saved for a backward pass.
        with torch.inference_mode(False), torch.no_grad():
            whole = copy.deepcopy(network).float()
        return whole, Inventory.of(whole)
    return network, inventory


def working_inputs(inventory: Inventory, inputs: Tensor) -> Tensor:
    """Inputs on the network's device, in its floating type (float32 without parameters)."""
    parameter = next((p for p in inventory.parameters if torch.is_floating_point(p)), None)
    if parameter is None:
        working = inputs.detach().float()
    else:
        working = inputs.detach().to(device=parameter.device, dtype=parameter.dtype)
    return working.clone() if working.is_inference() else working
