"""A torch network that follows the layer graph of a Keras model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Softmax
from saliency_viewer.models.from_keras.axes import Axes


@dataclass(frozen=True)
class Value:
    """A place in the graph: the result ``number`` of call ``call``; -1 is the input."""

    call: int
    number: int = 0


@dataclass(frozen=True)
class Step:
    """One call of a module. Arguments are nested lists of :class:`Value` and constants; ``done`` is not read again."""

    module: str
    arguments: Any
    options: Any
    done: tuple[int, ...] = ()


class TranslatedNetwork(nn.Module):
    """(N, C, *spatial) to the model's main output; nested models are networks of this kind too.

    Attributes
    ----------
    channels_first:
        The order of the input's axes is settled.
    ending:
        "softmax" or "sigmoid" when that is the last thing the network does, else empty.
    ending_taken_off:
        Whether :meth:`end_in_logits` took one off.
    notes:
        Sentences on how the network came about.
    input_rank:
        Axes of Keras' input, for images without an axis of channels; 0 for a nested network.
    outputs:
        Numbers that the network answers with, 0 where nobody has asked it.
    """

    channels_first = True

    def __init__(self, axes: Axes) -> None:
        super().__init__()
        self.axes = axes
        self.steps: tuple[Step, ...] = ()
        self.output = Value(-1)
        self.notes: tuple[str, ...] = ()
        self.input_rank = 0
        self.outputs = 0
        self.ending_taken_off = False

    @property
    def ending(self) -> str:
        """The kind of the last activation."""
        return self._ending()[0]

    def end_in_logits(self) -> None:
        """Let the network answer without its last softmax or sigmoid."""
        _, parent, name = self._ending()
        if parent is not None:
            parent._modules[name] = nn.Identity()
            self.ending_taken_off = True

    def _ending(self) -> tuple[str, nn.Module | None, str]:
        """(kind, parent, name) of the module that gives the output, when it is an activation used nowhere else."""
        step = self.steps[self.output.call] if self.output.call >= 0 else None
        if step is None or sum(other.module == step.module for other in self.steps) > 1:
            return "", None, ""
        last, parent, name = self._modules[step.module], self, step.module
        if isinstance(last, TranslatedNetwork):
            return last._ending()
        if isinstance(last, nn.Sequential):
            return _kind(list(last)[-1], last, list(last._modules)[-1])
        return _kind(last, parent, name)

    def forward(self, inputs: Tensor) -> Tensor:
        """Channels first, whatever Keras had."""
        if self.input_rank and inputs.ndim == self.input_rank + 1 and inputs.shape[1] == 1:
            inputs = self.axes.inside(inputs[:, 0])
        results: dict[int, Any] = {-1: inputs}
        for number, step in enumerate(self.steps):
            module = self._modules[step.module]
            assert module is not None  # put there with the step
            results[number] = module(*_filled(step.arguments, results), **_filled(step.options, results))
            for call in step.done:
                del results[call]
        found: Tensor = _filled(self.output, results)
        return found


def _filled(structure: Any, results: dict[int, Any]) -> Any:
    if isinstance(structure, Value):
        found = results[structure.call]
        return found[structure.number] if isinstance(found, tuple) else found
    if isinstance(structure, (list, tuple)):
        return type(structure)(_filled(item, results) for item in structure)
    if isinstance(structure, dict):
        return {key: _filled(item, results) for key, item in structure.items()}
    return structure


def _kind(last: nn.Module | None, parent: nn.Module, name: str) -> tuple[str, nn.Module | None, str]:
    kind = "softmax" if isinstance(last, Softmax) else "sigmoid" if isinstance(last, nn.Sigmoid) else ""
    return (kind, parent, name) if kind else ("", None, "")
