"""What is known of tensors while a network runs, until an operator overwrites them."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from torch import Tensor

from saliency_viewer.attribution.operators import Call, tensors_in

Fact = TypeVar("Fact")


class Facts(Generic[Fact]):
    """One fact for each tensor, forgotten when the tensor's values change.

    Keyed by identity. The weak reference proves that the id still is the same tensor's without keeping its memory,
    the version that no in-place operator came in between.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], int, Fact]] = {}

    def put(self, tensor: Tensor, fact: Fact) -> None:
        """Remember a fact about the tensor's present values."""
        self._known[id(tensor)] = (weakref.ref(tensor), tensor._version, fact)

    def get(self, tensor: Any) -> Fact | None:
        """The fact about the tensor's present values, None when there is none."""
        found = self._known.get(id(tensor))
        alive = None if found is None else found[0]()
        if found is None or alive is None or alive is not tensor or alive._version != found[1]:
            return None
        return found[2]


class Tracker(ABC, Generic[Fact]):
    """Follows one kind of fact through the operators of a forward pass."""

    def __init__(self) -> None:
        self._facts: Facts[Fact] = Facts()

    def of(self, tensor: Any) -> Fact | None:
        """What is known of a tensor."""
        return self._facts.get(tensor)

    @abstractmethod
    def expected(self, call: Call) -> Any:
        """What will be known of the result. Asked before the call runs, as it may overwrite its inputs."""

    def note(self, result: Any, fact: Any) -> None:
        """Remember what was expected, None: nothing."""
        if fact is not None:
            for tensor in tensors_in(result):
                self._facts.put(tensor, fact)
