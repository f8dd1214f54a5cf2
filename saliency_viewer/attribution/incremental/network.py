"""A network as a function of patches of one sample, computed by windows where that gives the same."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.incremental.base_pass import BasePass
from saliency_viewer.attribution.incremental.patch_pass import PatchPass, UnexpectedError
from saliency_viewer.attribution.incremental.tokens import Token
from saliency_viewer.attribution.incremental.windows import Size, Start, Windows, stacked_boxes
from saliency_viewer.attribution.operators import OperatorMode
from saliency_viewer.attribution.score import logits_of

_LOG = logging.getLogger(__name__)

FEWEST = 8  # patches of a sample from which on the base pass and the trial pay
_WORTH = 0.9  # of the plain form's elements; above this, windows are not used
_TOLERANCE = 1e-4  # of the logits' range, between windows and plain form in the trial
# What network code, or a handler, may raise where a token is not what it expects. The plain form then decides.
_MISFITS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, UnexpectedError)


class PatchedNetwork:
    """The network's answer where boxes of one sample are replaced by the baseline's values.

    Parameters
    ----------
    network:
        In evaluation mode.
    sample, baseline:
        (1, C, *spatial).
    size:
        Positions of a box along each axis; all boxes have it.
    check:
        Raises when the user asked to stop; called at every operator.
    whole:
        Gives (B, outputs) for whole inputs (B, C, *spatial), by the network itself or a faster form of it.
    """

    def __init__(
        self,
        network: nn.Module,
        sample: Tensor,
        baseline: Tensor,
        size: Size,
        check: Callable[[], None],
        whole: Callable[[Tensor], Tensor],
    ) -> None:
        self._network = network
        self._sample = sample
        self._baseline = baseline
        self._size = size
        self._check = check
        self._whole = whole
        self._base: BasePass | None = None
        self.part = 1.0  # elements that windows compute, of the plain form's

    def try_windows(self, starts: Sequence[Start]) -> bool:
        """Use windows from now on if they give the plain form's logits for patches at ``starts``, with less work."""
        if any(isinstance(module, torch.jit.ScriptModule) for module in self._network.modules()):
            return False
        try:
            plain = self.plain(starts)
            self._base = BasePass(self._network, self._sample, self._check)
            trial = PatchPass(self._base)
            found = self._windowed(starts, trial)
        except _MISFITS as error:
            self._base = None
            _LOG.debug("occlusion without windows: %s", type(error).__name__)
            return False
        span = plain.amax() - plain.amin() if plain.shape[1] > 1 else plain.abs().amax()
        difference = (found - plain).abs().amax()
        self.part = trial.computed / max(trial.plain, 1)
        if not bool(difference <= _TOLERANCE * span) or self.part > _WORTH:
            _LOG.debug("occlusion without windows: difference %g, part %.2f", float(difference), self.part)
            self._base = None
            return False
        self._base.forget_after(trial.windowed_calls)
        return True

    def logits(self, starts: Sequence[Start]) -> Tensor:
        """(B, outputs) for patches at ``starts``."""
        if self._base is None:
            return self.plain(starts)
        try:
            return self._windowed(starts, PatchPass(self._base))
        except UnexpectedError:
            return self.plain(starts)

    def untouched(self) -> Tensor:
        """(1, outputs) for the sample itself, in the form in which its patches are computed.

        Windows take the network's own operators, and a faster form of them rounds otherwise.
        """
        if self._base is None:
            return self._whole(self._sample)
        with torch.no_grad(), OperatorMode(self._check):
            return logits_of(self._network(self._sample.clone()), 1)

    def plain(self, starts: Sequence[Start]) -> Tensor:
        """The same as :meth:`logits`, without windows."""
        rows = self._sample.repeat(len(starts), *[1] * (self._sample.ndim - 1))
        for row, start in zip(rows, starts, strict=True):
            box = tuple(slice(s, s + n) for s, n in zip(start, self._size, strict=True))
            row[(slice(None), *box)] = self._baseline[0][(slice(None), *box)]
        return self._whole(rows)

    def _windowed(self, starts: Sequence[Start], run: PatchPass) -> Tensor:
        data = stacked_boxes(self._baseline, starts, self._size)
        windows = Windows(data, tuple(starts), run.input)
        logits = logits_of(run.run(self._network, windows, self._check), len(starts))
        if isinstance(logits, Token):
            logits = logits.whole()
        if not bool(torch.isfinite(logits).all()):
            raise UnexpectedError
        return logits
