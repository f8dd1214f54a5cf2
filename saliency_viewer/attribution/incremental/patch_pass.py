"""The patch pass: a batch of patches of one sample, as windows for as long as these are small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.incremental.base_pass import BasePass, Record
from saliency_viewer.attribution.incremental.handlers import HANDLERS
from saliency_viewer.attribution.incremental.tokens import Token
from saliency_viewer.attribution.incremental.window_call import WindowCall
from saliency_viewer.attribution.incremental.windows import Windows
from saliency_viewer.attribution.operators import Call, OperatorMode, tensors_in


class UnexpectedError(Exception):
    """The network did not do what it did in the base pass."""


class PatchPass:
    """Runs the network on windows of its input.

    ``computed`` and ``plain`` count the elements of all results, with windows and without.
    """

    def __init__(self, base: BasePass) -> None:
        self.computed = 0
        self.plain = 0
        self.windowed_calls = 0  # from here on whole layers flow
        self._base = base
        self._next = 0
        self._rows = 0

    @property
    def input(self) -> Tensor:
        """The unmodified sample, (1, C, *spatial)."""
        return self._base.input

    def run(self, network: nn.Module, windows: Windows, check: Callable[[], None]) -> Any:
        """What the network returns for the samples with their ``windows``."""
        self._rows = len(windows.data)
        token = Token.of(windows)
        with torch.no_grad(), OperatorMode(check, handle=self._handle):
            returned = network(token)
        if self._next != len(self._base.records):
            raise UnexpectedError
        return returned

    def _handle(self, call: Call) -> Any:
        record = self._record(call)
        result = self._result(call, record)
        elements = record.elements * self._rows
        self.plain += elements
        windowed = isinstance(result, Token) and isinstance(result.state, Windows)
        self.computed += result.state.data.numel() if windowed else elements
        self.windowed_calls = self._next if windowed else self.windowed_calls
        return result

    def _record(self, call: Call) -> Record:
        if self._next >= len(self._base.records) or self._base.records[self._next].name != call.name:
            raise UnexpectedError
        self._next += 1
        return self._base.records[self._next - 1]

    def _result(self, call: Call, record: Record) -> Any:
        tensors = list(tensors_in([call.args, call.kwargs]))
        windows = {id(t): t.state for t in tensors if isinstance(t, Token) and isinstance(t.state, Windows)}
        if record.passed and isinstance(call.input, Token):
            return call.input
        handler = HANDLERS.get(call.name)
        found = None
        if handler is not None and record.values is not None and windows and _usable(call, record, tensors, windows):
            found = handler(WindowCall(call, windows, record.values))
        if found is None:
            return call.run()  # tokens hand their values over by themselves
        if not call.in_place:
            return Token.of(found)
        call.input.state = found
        return call.input


def _usable(call: Call, record: Record, tensors: list[Tensor], windows: dict[int, Windows]) -> bool:
    """Whether outside the windows the call's result is the base's: all else in it must be as in the base pass."""
    if record.values is None or len(record.values) != 1 or len(tensors) != len(record.constants):
        return False
    if "out" in call.kwargs or (call.in_place and id(call.input) not in windows):
        return False
    others = [pair for pair in zip(tensors, record.constants, strict=True) if id(pair[0]) not in windows]
    return all(
        known is not None and (known is tensor or (known.shape == tensor.shape and torch.equal(known, tensor)))
        for tensor, known in others
    )
