"""Running a network's end again with other activations in the target layer."""

from __future__ import annotations

import torch
from torch import Tensor

from saliency_viewer.attribution.passes import Passes, leaf_and_copy
from saliency_viewer.attribution.recording import NotReplayable
from saliency_viewer.attribution.score import logits_of, output_of
from saliency_viewer.attribution.target_layer import Found, LayerWatch
from saliency_viewer.attribution.undefined import NotDefinedHere


class Substitution:
    """One input (1, C, *spatial) of sample ``row`` whose layer can be changed.

    ``maps`` is (1, K, *layer spatial). Raises :class:`UserError` when the network has no such layer.
    """

    def __init__(self, passes: Passes, inputs: Tensor, row: int) -> None:
        self._passes, self._row = passes, row
        try:
            try:
                self._found = self._recorded(inputs)
            except NotReplayable:
                self._found = self._through_graph(inputs)
            self._try()
        except NotReplayable:
            raise NotDefinedHere(
                "The operators behind the chosen layer of this network cannot be run on their own.",
                "Choose another layer, or a method that needs only its gradient, such as Grad-CAM.",
            ) from None
        self.maps = self._found.form.maps(self._found.tensor.detach())

    def _recorded(self, inputs: Tensor) -> Found:
        layers = LayerWatch(self._passes.network, self._passes.layer, inputs.ndim, recorded=True)
        with torch.no_grad():
            self._run(inputs, layers)
        return layers.find_recorded(self._end)

    def _through_graph(self, inputs: Tensor) -> Found:
        """Of token layers only the graph can tell which is the last whose patches matter."""
        layers = LayerWatch(self._passes.network, self._passes.layer, inputs.ndim, recorded=True)
        _, given = leaf_and_copy(inputs)
        with torch.enable_grad():
            self._run(given, layers)
            score = self._passes.score.select(logits_of(self._end, 1), [self._row])
        return layers.with_tail(layers.find(score))

    def _run(self, inputs: Tensor, layers: LayerWatch) -> None:
        with layers.attached(), self._passes.mode(watch=layers.watch):
            returned = self._passes.network(inputs.clone())
        self._logits = logits_of(returned, 1).detach()
        self._end = output_of(returned)

    def score_without(self, channel: int) -> Tensor:
        """f, a scalar tensor, with that channel at zero."""
        changed = self._found.tensor.detach().clone()
        self._found.form.maps(changed)[:, channel] = 0
        return self._again(changed)

    def _try(self) -> None:
        """Raise :class:`NotReplayable` where the unchanged layer does not lead to the logits that were found."""
        if not torch.allclose(self._replayed(self._found.tensor.detach().clone()), self._logits, rtol=1e-4, atol=1e-6):
            raise NotReplayable

    def _again(self, layer: Tensor) -> Tensor:
        logits = self._replayed(layer)
        return self._passes.score.value(self._passes.score.select(logits, [self._row]))[0]

    def _replayed(self, layer: Tensor) -> Tensor:
        with torch.no_grad(), self._passes.mode():
            return logits_of(self._found.replayed(layer, self._end), 1)
