"""Running a network's end again with other activations in the target layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.passes import Passes, leaf_and_copy
from saliency_viewer.attribution.recording import NotReplayable
from saliency_viewer.attribution.score import logits_of, output_of
from saliency_viewer.attribution.target_layer import Found
from saliency_viewer.attribution.undefined import NotDefinedHere


class Substitution:
    """One input (1, C, *spatial) of sample ``row`` whose layer can be changed.

    ``maps`` is (1, K, *layer spatial). Where the operators behind the layer cannot be run on their own, the whole
    network runs with the layer exchanged. Raises :class:`UserError` when the network has no such layer.
    """

    def __init__(self, passes: Passes, inputs: Tensor, row: int) -> None:
        self._passes, self._inputs, self._row = passes, inputs, row
        self._layers = passes.watch_layer(inputs.shape, recorded=True)
        try:
            with torch.no_grad():
                self._run(inputs)
            self._found = self._layers.find_recorded(self._end)
        except NotReplayable:
            self._found = self._through_graph(inputs)
        self._again = self._replayed if self._gives(self._replayed) else None
        if self._again is None and self._gives(self._exchanged) and self._matters(self._exchanged):
            self._again = self._exchanged
        if self._again is None:
            raise _refusal()
        self.maps = self._found.form.maps(self._found.tensor.detach())

    @property
    def score(self) -> Tensor:
        """The score of the untouched layer, a scalar tensor."""
        return self._passes.score.value(self._passes.score.select(self._logits, [self._row]))[0]

    def score_without(self, channel: int) -> Tensor:
        """Score, a scalar tensor, with that channel at zero."""
        if self._again is None:
            raise _refusal()
        changed = self._found.tensor.detach().clone()
        self._found.form.maps(changed)[:, channel] = 0
        return self._passes.score.value(self._passes.score.select(self._again(changed), [self._row]))[0]

    def _run(self, inputs: Tensor) -> None:
        given = inputs.clone()
        with self._layers.attached(self._passes.mode(watch=self._layers.watch)):
            returned = self._passes.network(given)
        self._logits, self._end = logits_of(returned, 1).detach(), output_of(returned)

    def _through_graph(self, inputs: Tensor) -> Found:
        """Of token layers only the graph can tell which is the last whose patches matter."""
        self._layers = self._passes.watch_layer(inputs.shape, recorded=True)
        with torch.enable_grad():
            self._run(leaf_and_copy(inputs)[1])
            score = self._passes.score.select(logits_of(self._end, 1), [self._row])
        try:
            return self._layers.with_tail(self._layers.find(score))
        except NotReplayable:
            raise _refusal() from None

    def _gives(self, way: Callable[[Tensor], Tensor]) -> bool:
        """Whether the layer's own values give the network's own output."""
        try:
            return torch.allclose(way(self._found.tensor.detach().clone()), self._logits, rtol=1e-4, atol=1e-6)
        except NotReplayable:
            return False

    def _matters(self, way: Callable[[Tensor], Tensor]) -> bool:
        """Whether other values give another output: a layer that is filled later would be overwritten."""
        return not torch.equal(way(self._found.tensor.detach() + 1), self._logits)

    def _replayed(self, layer: Tensor) -> Tensor:
        with torch.no_grad(), self._passes.mode():
            return logits_of(self._found.replayed(layer, self._end), 1)

    def _exchanged(self, layer: Tensor) -> Tensor:
        if self._found.tail is None:
            raise NotReplayable
        given = self._inputs.clone()
        # The same hook again: of a named layer it is its copy, one more operator, that is exchanged.
        with torch.no_grad(), self._layers.attached(self._passes.mode(_Exchange(self._found.tail.maker, layer))):
            return logits_of(self._passes.network(given), 1)


class _Exchange:
    """Handles one pass: the operator at a known place gives other values."""

    def __init__(self, place: int, values: Tensor) -> None:
        self._place, self._values = place, values

    def __call__(self, call: Call) -> Any:
        result = call.run()
        self._place -= 1
        if self._place != -1:
            return result
        return result.copy_(self._values)


def _refusal() -> NotDefinedHere:
    return NotDefinedHere(
        "The operators behind the chosen layer of this network cannot be run on their own.",
        "Choose another layer, or a method that needs only its gradient, such as Grad-CAM.",
    )
