"""The base pass: every operator's result for the unmodified sample, in the order of the calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from saliency_viewer.attribution.incremental.handlers import HANDLERS
from saliency_viewer.attribution.operators import Call, OperatorMode, tensors_in


@dataclass
class Record:
    """One operator call of the base pass.

    ``values`` is its result where windows may go through it, as it was right after the call. ``constants`` are the
    call's tensors in order, None for those that depend on the sample. ``passed``: the call returned its own input.
    """

    name: str
    values: Tensor | None
    constants: tuple[Tensor | None, ...]
    passed: bool
    elements: int


class BasePass:
    """Runs the network once for ``sample`` (1, C, *spatial) and keeps the records of all calls."""

    def __init__(self, network: nn.Module, sample: Tensor, check: Callable[[], None]) -> None:
        self.records: list[Record] = []
        self._of_storage: dict[int, list[Record]] = {}
        self._derived: Any = WeakTensorKeyDictionary()  # what depends on the sample
        self.input = sample
        given = sample.clone()  # networks may overwrite their input
        self._derived[given] = True
        with torch.no_grad(), OperatorMode(check, handle=self._handle):
            network(given)
        self._of_storage.clear()

    def forget_after(self, calls: int) -> None:
        """Free the results of all but the first ``calls`` calls: windows end there, as before an unknown operator."""
        for record in self.records[calls:]:
            record.values, record.constants = None, ()

    def _handle(self, call: Call) -> Any:
        given = list(tensors_in([call.args, call.kwargs]))
        derived = [tensor in self._derived for tensor in given]
        target = call.kwargs.get("out", call.input if _writes(call) else None)
        for tensor in tensors_in(target):
            self._save(tensor)
        result = call.run()
        if any(derived):
            for tensor in [*tensors_in(result), *tensors_in(target)]:
                self._derived[tensor] = True
        known = call.name in HANDLERS and isinstance(result, Tensor) and any(derived)
        record = Record(
            call.name,
            result if known else None,
            tuple(None if flag else tensor for tensor, flag in zip(given, derived, strict=True)) if known else (),
            result is call.input and target is None,
            sum(tensor.numel() for tensor in tensors_in(result)),
        )
        self.records.append(record)
        self._keep(record)
        return result

    def _keep(self, record: Record) -> None:
        if record.values is not None:
            self._of_storage.setdefault(_storage(record.values), []).append(record)

    def _save(self, target: Tensor) -> None:
        """Before a call writes into a recorded tensor, its records get a copy: windows may need the old values."""
        for record in self._of_storage.pop(_storage(target), ()):
            if record.values is not None:
                record.values = record.values.clone()


def _writes(call: Call) -> bool:
    return call.in_place or call.name == "setitem"


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
