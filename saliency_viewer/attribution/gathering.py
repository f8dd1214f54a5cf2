"""Gathering the evidence that several methods need, each piece once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution import needs
from saliency_viewer.attribution.channels import channel_ablation, channel_scores
from saliency_viewer.attribution.chunks import Chunker
from saliency_viewer.attribution.deep_lift import multipliers
from saliency_viewer.attribution.evidence import Evidence, Layer
from saliency_viewer.attribution.input_range import DEFAULT_NOTE, default_range
from saliency_viewer.attribution.library import full_grad
from saliency_viewer.attribution.masks import random_masks
from saliency_viewer.attribution.needs import HeadWeights, LayerEvidence, Need, PointGradient, RulePass
from saliency_viewer.attribution.occluding import occluded_scores
from saliency_viewer.attribution.passes import Passes
from saliency_viewer.attribution.paths import blur_path, guided_path
from saliency_viewer.attribution.point import PointResult, PointWish, at_point
from saliency_viewer.attribution.streams import noisy_gradients, noisy_paths, path_gradients, random_path_gradients
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.devices import free_memory
from saliency_viewer.runtime.memory import is_out_of_memory

# Passes below which looking for a faster form of the network costs more than it saves.
_WORTH_A_SURVEY, _WORTH_A_SURVEY_FORWARD = 4, 16
_FORWARD_ONLY = (needs.ChannelScores, needs.OccludedScores, needs.RandomMasks)
_PLENTY = 1 << 30  # bytes of one chunk's graph: more brings no speed
_AT_POINT = (PointGradient, LayerEvidence, HeadWeights)


class Gathering:
    """Runs the passes for one batch of inputs (N, C, *spatial) and keeps what they found."""

    def __init__(
        self,
        passes: Passes,
        inputs: Tensor,
        baseline: Tensor,
        seed: int,
        context: RunContext,
        batch_size: int,
    ) -> None:
        self.inputs = inputs
        self.baseline = baseline
        self.score = passes.score
        self.seed = seed
        self.chunks = Chunker(max(1, batch_size))
        self.passes = passes
        self.layer_name = passes.layer
        self.baseline_name = ""
        self.input_range: tuple[Tensor, Tensor] = default_range(inputs)
        self.range_note = DEFAULT_NOTE
        self.logits: Tensor = inputs.new_zeros((0, 0))
        self.counts: dict[Need, tuple[int, int]] = {}
        self.generalised: dict[Need, str] = {}
        self._context = context
        self._score: Tensor | None = None
        self._found: dict[Need, Any] = {}
        self._refused: dict[Need, UserError] = {}
        self._wanted: frozenset[Need] = frozenset()
        self._done = 0
        self._total = 1

    def plan(self, wanted: Sequence[Need], memory_budget: int | None) -> None:
        """Know all needs beforehand: the point pass serves them together, and progress has a whole.

        ``memory_budget`` (bytes; None: half of what is free) bounds what one chunk's graph may keep.
        """
        self._wanted = frozenset(wanted)
        others = sum(need.passes for need in self._wanted if not isinstance(need, _AT_POINT))
        point = any(isinstance(need, _AT_POINT) for need in self._wanted)
        self._total = max(1, (others + point) * len(self.inputs))
        streams = [need for need in self._wanted if need.passes >= _worth(need)]
        several = self.chunks.size > 1 and len(self.inputs) > 1
        bounded = memory_budget is not None and any(need.passes > 1 for need in self._wanted)
        if streams or several or bounded:
            self._survey(memory_budget, bool(streams), only=len(streams) == len(self._wanted) or not several)

    def _survey(self, memory_budget: int | None, streams: bool, only: bool) -> None:
        """Learn how much one row takes, and for streams whether the network has a faster form.

        ``only``: no chunk of several rows will go through the network's plain form, which keeps more.
        """
        try:
            seen = self.passes.survey(self.inputs[:1], leaner=streams)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # Methods without gradients may fit all the same, one row at a time.
            self.passes.lean, self.chunks.size = None, 1
            return
        if len(self.inputs) == 1:
            self.remember_score(seen.score, seen.logits)
        budget = memory_budget if memory_budget is not None else free_memory(self.inputs.device.type) // 2
        row = seen.lean_bytes if only and self.passes.lean is not None else seen.plain_bytes
        fits = min(budget, _PLENTY) // max(row, 1)
        self.chunks.size = max(1, min(self.chunks.size, fits))

    def evidence(self, wanted: Sequence[Need]) -> Evidence:
        """The evidence for one method; raises :class:`UserError` where some of it has no meaning here."""
        found = {need: self.find(need) for need in wanted}
        if self._score is None:
            self.remember_score(*self._forward(self.inputs))
        score = self._score if self._score is not None else self.inputs.new_zeros(0)
        signs = torch.full_like(score, self.score.sign)
        return Evidence(self.inputs, self.baseline, score, signs, found)

    def find(self, need: Need) -> Any:
        """One piece of evidence, gathered when it is first asked for."""
        if need not in self._found and need not in self._refused:
            try:
                self._gather(need)
            except UserError as error:
                self._refused[need] = error
        if need in self._refused:
            raise self._refused[need]
        return self._found[need]

    def scores(self, inputs: Tensor) -> Tensor:
        """The score f at other inputs, one for each sample: (N,)."""
        return self._forward(inputs)[0]

    def remember_score(self, score: Tensor, logits: Tensor) -> None:
        """Score (N,) and raw outputs (N, outputs) at the inputs, which every pass there brings along."""
        if self._score is None:
            self._score, self.logits = score, logits

    def activation_counts(self, wanted: Sequence[Need]) -> tuple[int, int] | None:
        """(intercepted, executed) activations of the rule pass among ``wanted``, None without one."""
        return next((self.counts[need] for need in wanted if need in self.counts), None)

    def generalisation(self, wanted: Sequence[Need]) -> str:
        """How the rules among ``wanted`` were extended to this network's operators; empty where they were not."""
        return next((self.generalised[need] for need in wanted if need in self.generalised), "")

    def expect(self, rows: int) -> None:
        """Say that the work is larger than was known, so that progress stays honest."""
        self._total += rows

    def advance(self, rows: int) -> None:
        """Say that so many rows are done."""
        self._done += rows
        self._context.report(min(self._done / self._total, 1.0), "Computing maps")

    def _gather(self, need: Need) -> None:
        if isinstance(need, _AT_POINT):
            self._at_point(need)
        else:
            self._found[need] = _GATHERERS[type(need)](need, self)

    def _at_point(self, need: Need) -> None:
        """Everything that one forward and one backward pass can give, for all methods at once."""
        wanted = self._wanted | {need}
        wish = PointWish(*(kind() in wanted for kind in (PointGradient, LayerEvidence, HeadWeights)))
        parts: list[PointResult] = []

        def work(start: int, stop: int) -> None:
            parts.append(at_point(self.passes, self.inputs[start:stop], range(start, stop), wish))
            self.advance(stop - start)

        self.chunks.run(len(self.inputs), work)
        self.remember_score(torch.cat([part.score for part in parts]), torch.cat([part.logits for part in parts]))
        self._keep(parts, wish)
        if need in self._refused:
            raise self._refused[need]

    def _keep(self, parts: list[PointResult], wish: PointWish) -> None:
        first = parts[0]
        if wish.gradient:
            self._found[PointGradient()] = _joined([part.gradient for part in parts])
        if wish.layer and first.layer_refused is not None:
            self._refused[LayerEvidence()] = self._refused[HeadWeights()] = first.layer_refused
        elif wish.layer:
            self.layer_name = first.layer_name
            activations = _joined([part.activations for part in parts])
            slopes = _joined([part.layer_gradient for part in parts])
            self._found[LayerEvidence()] = Layer(first.layer_name, activations, slopes)
        if wish.head and first.head_refused is not None:
            self._refused[HeadWeights()] = first.head_refused
        elif wish.head and first.head is not None:
            self._found[HeadWeights()] = self.score.sign * first.head[list(self.score.indices)]

    def _forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        scores: list[Tensor] = []
        logits: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            score, raw = self.passes.forward(inputs[start:stop], range(start, stop))
            scores.append(score)
            logits.append(raw)
            self.advance(stop - start)

        self.chunks.run(len(inputs), work)
        return torch.cat(scores), torch.cat(logits)


def _ruled(need: RulePass, run: Gathering) -> Tensor:
    """A backward pass under rules."""
    values: list[Tensor] = []
    scores: list[Tensor] = []
    logits: list[Tensor] = []

    def work(start: int, stop: int) -> None:
        low, high = (bound[start:stop] for bound in run.input_range)
        result = run.passes.ruled(run.inputs[start:stop], range(start, stop), need, (low, high))
        values.append(result.values)
        scores.append(result.score)
        logits.append(result.logits)
        run.counts[need] = (result.intercepted, result.executed)
        run.generalised[need] = result.generalised
        run.advance(stop - start)

    run.chunks.run(len(run.inputs), work)
    run.remember_score(torch.cat(scores), torch.cat(logits))
    return torch.cat(values)


def _worth(need: Need) -> int:
    return _WORTH_A_SURVEY_FORWARD if isinstance(need, _FORWARD_ONLY) else _WORTH_A_SURVEY


def _baseline_score(_need: needs.BaselineScore, run: Gathering) -> Tensor:
    return run.scores(run.baseline)


_GATHERERS: dict[type, Callable[[Any, Gathering], Any]] = {
    needs.BaselineScore: _baseline_score,
    needs.PathGradients: path_gradients,
    needs.NoisyGradients: noisy_gradients,
    needs.NoisyPaths: noisy_paths,
    needs.RandomPathGradients: random_path_gradients,
    needs.BlurPath: blur_path,
    needs.GuidedPath: guided_path,
    needs.RandomMasks: random_masks,
    needs.ChannelScores: channel_scores,
    needs.ChannelAblation: channel_ablation,
    needs.Multipliers: multipliers,
    needs.OccludedScores: occluded_scores,
    needs.RulePass: _ruled,
    needs.LibraryFullGrad: full_grad,
}


def _joined(parts: Sequence[Tensor | None]) -> Tensor:
    present = [part for part in parts if part is not None]
    if len(present) != len(parts):
        raise RuntimeError("a pass did not bring the evidence that was ordered")
    return torch.cat(present)
