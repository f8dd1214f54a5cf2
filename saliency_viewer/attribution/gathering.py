"""Gathering the evidence that several methods need, each piece once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.chunks import Chunker
from saliency_viewer.attribution.evidence import Evidence, Layer
from saliency_viewer.attribution.input_range import DEFAULT_NOTE, default_range
from saliency_viewer.attribution.needs import (
    BaselineScore,
    HeadWeights,
    LayerEvidence,
    Need,
    NoisyGradients,
    PathGradients,
    PointGradient,
    RulePass,
)
from saliency_viewer.attribution.operators import Call, OperatorMode, tensors_in
from saliency_viewer.attribution.passes import Passes, PointResult
from saliency_viewer.attribution.score import Score
from saliency_viewer.attribution.streams import noisy_mean, path_integral
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.devices import free_memory

_AT_POINT = (PointGradient, LayerEvidence, HeadWeights)


class Gathering:
    """Runs the passes for one batch of inputs (N, C, *spatial) and keeps what they found."""

    def __init__(
        self,
        network: nn.Module,
        inputs: Tensor,
        baseline: Tensor,
        score: Score,
        layer: str | None,
        seed: int,
        context: RunContext,
        batch_size: int,
    ) -> None:
        self.inputs = inputs
        self.score = score
        self.chunks = Chunker(max(1, batch_size))
        self.layer_name: str | None = layer
        self.baseline_name = ""
        self.input_range: tuple[Tensor, Tensor] = default_range(inputs)
        self.range_note = DEFAULT_NOTE
        self.logits: Tensor = inputs.new_zeros((0, 0))
        self._network = network
        self._baseline = baseline
        self._seed = seed
        self._context = context
        self._passes = Passes(network, score, context.check, layer, polled=context.cancel is not None)
        self._score: Tensor | None = None
        self._found: dict[Need, Any] = {}
        self._refused: dict[Need, UserError] = {}
        self._counts: dict[Need, tuple[int, int]] = {}
        self._wanted: frozenset[Need] = frozenset()
        self._done = 0
        self._total = 1

    def limit(self, memory_budget: int | None) -> None:
        """Make chunks small enough for a budget in bytes (None: half of what is free).

        One row runs forward to see how much it takes; a single row needs no such look, since it cannot be cut.
        """
        if self.chunks.size == 1 or max(map(_rows, self._wanted), default=1) * len(self.inputs) == 1:
            return
        budget = memory_budget if memory_budget is not None else free_memory(self.inputs.device.type) // 2
        seen = _Bytes()
        with torch.no_grad(), OperatorMode(self._context.check, watch=seen.watch):
            self._network(self.inputs[:1].clone())
        self.chunks.size = max(1, min(self.chunks.size, budget // max(seen.total, 1)))

    def plan(self, needs: Sequence[Need]) -> None:
        """Know all needs beforehand: the point pass serves them together, and progress has a whole."""
        self._wanted = frozenset(needs)
        others = sum(_rows(need) for need in self._wanted if not isinstance(need, _AT_POINT))
        at_point = any(isinstance(need, _AT_POINT) for need in self._wanted)
        self._total = max(1, (others + at_point) * len(self.inputs))

    def evidence(self, needs: Sequence[Need]) -> Evidence:
        """The evidence for one method; raises :class:`UserError` where some of it has no meaning here."""
        for need in needs:
            if need not in self._found and need not in self._refused:
                self._gather(need)
            if need in self._refused:
                raise self._refused[need]
        if self._score is None:
            self._plain_score()
        score = self._score if self._score is not None else self.inputs.new_zeros(0)
        signs = torch.full_like(score, self.score.sign)
        return Evidence(self.inputs, self._baseline, score, signs, {need: self._found[need] for need in needs})

    def activation_counts(self, needs: Sequence[Need]) -> tuple[int, int] | None:
        """(intercepted, executed) activations of the rule pass among ``needs``, None without one."""
        return next((self._counts[need] for need in needs if need in self._counts), None)

    def _gather(self, need: Need) -> None:
        try:
            if isinstance(need, _AT_POINT):
                self._at_point()
            elif isinstance(need, PathGradients):
                self._found[need] = path_integral(
                    need, self.inputs, self._baseline, self._passes.gradient, self.chunks, self._advance
                )
            elif isinstance(need, NoisyGradients):
                self._found[need] = noisy_mean(
                    need, self.inputs, self._seed, self._passes.gradient, self.chunks, self._advance
                )
            elif isinstance(need, BaselineScore):
                self._found[need] = self._forward(self._baseline)[0]
            else:
                self._ruled(need)
        except UserError as error:
            self._refused[need] = error

    def _at_point(self) -> None:
        """Everything that one forward and one backward pass can give, for all methods at once."""
        gradient, layer, head = (need in self._wanted for need in (PointGradient(), LayerEvidence(), HeadWeights()))
        parts: list[PointResult] = []

        def work(start: int, stop: int) -> None:
            rows = range(start, stop)
            parts.append(self._passes.point(self.inputs[start:stop], rows, gradient=gradient, layer=layer, head=head))
            self._advance(stop - start)

        self.chunks.run(len(self.inputs), work)
        self._remember(parts, gradient, layer, head)

    def _remember(self, parts: list[PointResult], gradient: bool, layer: bool, head: bool) -> None:
        self._score = torch.cat([part.score for part in parts])
        self.logits = torch.cat([part.logits for part in parts])
        first = parts[0]
        if gradient:
            self._found[PointGradient()] = _joined([part.gradient for part in parts])
        if layer and first.layer_refused is not None:
            self._refused[LayerEvidence()] = self._refused[HeadWeights()] = first.layer_refused
        elif layer:
            self.layer_name = first.layer_name
            activations = _joined([part.activations for part in parts])
            gradients = _joined([part.layer_gradient for part in parts])
            self._found[LayerEvidence()] = Layer(first.layer_name, activations, gradients)
        if head and first.head_refused is not None:
            self._refused[HeadWeights()] = first.head_refused
        elif head and first.head is not None:
            self._found[HeadWeights()] = self.score.sign * first.head[list(self.score.indices)]

    def _ruled(self, need: RulePass) -> None:
        values: list[Tensor] = []
        scores: list[Tensor] = []
        logits: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            low, high = (bound[start:stop] for bound in self.input_range)
            result = self._passes.ruled(self.inputs[start:stop], range(start, stop), need, (low, high))
            values.append(result.values)
            scores.append(result.score)
            logits.append(result.logits)
            self._counts[need] = (result.intercepted, result.executed)
            self._advance(stop - start)

        self.chunks.run(len(self.inputs), work)
        self._found[need] = torch.cat(values)
        self._score, self.logits = torch.cat(scores), torch.cat(logits)

    def _plain_score(self) -> None:
        self._score, self.logits = self._forward(self.inputs)

    def _forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        scores: list[Tensor] = []
        logits: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            score, raw = self._passes.forward(inputs[start:stop], range(start, stop))
            scores.append(score)
            logits.append(raw)
            self._advance(stop - start)

        self.chunks.run(len(inputs), work)
        return torch.cat(scores), torch.cat(logits)

    def _advance(self, rows: int) -> None:
        self._done += rows
        self._context.report(min(self._done / self._total, 1.0), "Computing maps")


def _rows(need: Need) -> int:
    """Passes through the network that a need takes for one input."""
    if isinstance(need, PathGradients):
        return need.nodes
    if isinstance(need, NoisyGradients):
        return need.samples
    return 1


def _joined(parts: Sequence[Tensor | None]) -> Tensor:
    present = [part for part in parts if part is not None]
    if len(present) != len(parts):
        raise RuntimeError("a pass did not bring the evidence that was ordered")
    return torch.cat(present)


class _Bytes:
    """Adds up the bytes of every operator's result: a bound on what a backward pass keeps."""

    def __init__(self) -> None:
        self.total = 0

    def watch(self, _call: Call, result: Any) -> None:
        """See one result."""
        self.total += sum(tensor.element_size() * tensor.nelement() for tensor in tensors_in(result))
