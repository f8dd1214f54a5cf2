"""Where a network's target layer was found before, so that a later pass need not be watched from its beginning.

Watching hundreds of operators takes a tenth of a forward pass, and only those around the layer matter.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Key = Hashable


@dataclass(frozen=True)
class Landmark:
    """The layer ``name`` was made by an ``operator`` at that ``position``, behind the only end of the module ``start``.

    Of a layer that users name, ``start`` is the layer itself, and the other two say nothing.
    """

    start: str
    position: int
    operator: str
    name: str


class Lost(Exception):  # noqa: N818 - reads as what it says
    """The pass did not go by its landmark: the network has changed, or takes another way for other inputs."""


_known: weakref.WeakKeyDictionary[nn.Module, dict[Key, Landmark]] = weakref.WeakKeyDictionary()


def recall(network: nn.Module, key: Key) -> Landmark | None:
    """What was remembered of passes of that kind."""
    return _known.get(network, {}).get(key)


def remember(network: nn.Module, key: Key, landmark: Landmark | None) -> None:
    """Keep a landmark as long as the network lives, or (None) forget it."""
    landmarks = _known.setdefault(network, {})
    if landmark is None:
        landmarks.pop(key, None)
    else:
        landmarks[key] = landmark


@contextmanager
def awake_after(
    module: nn.Module,
    mode: AbstractContextManager[Any],
    woken: Callable[[nn.Module, Any], Any],
    missed: Callable[[], None],
) -> Iterator[None]:
    """Enter ``mode`` when ``module`` ends in this thread; leave it with this context.

    ``woken(module, output)`` is called at each of its ends, and may return another output; ``missed()`` instead where
    the network is then inside a mode of its own, which has to be left first.
    """
    thread, depth = threading.get_ident(), _depth()
    entered = False
    with ExitStack() as stack:

        def hook(ended: nn.Module, _inputs: Any, output: Any) -> Any:
            nonlocal entered
            if threading.get_ident() != thread:
                return None
            if _depth() != depth + entered:
                return missed()
            if not entered:
                stack.enter_context(mode)
                entered = True
            return woken(ended, output)

        handle = module.register_forward_hook(hook)
        stack.callback(handle.remove)
        yield


def _depth() -> int:
    """How many modes that see operators are on."""
    return int(torch._C._len_torch_function_stack())
