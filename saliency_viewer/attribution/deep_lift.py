"""Passes of DeepLIFT: one at the baseline, one at the input, and one backward pass of multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saliency_viewer.attribution.needs import Multipliers
from saliency_viewer.attribution.passes import Passes, gradients, leaf_and_copy
from saliency_viewer.attribution.recording import NotReplayable
from saliency_viewer.attribution.rules.rescale import SMALL, Reference, Rescale
from saliency_viewer.attribution.score import logits_of, output_of
from saliency_viewer.attribution.target_layer import Found, LayerWatch
from saliency_viewer.attribution.undefined import NotDefinedHere

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering


@dataclass(frozen=True, eq=False)
class Lifted:
    """``contributions`` (N, C, *spatial) or (N, K, *layer spatial): multiplier times difference from the baseline.

    ``start_score`` (N,) is f at the baseline.
    """

    contributions: Tensor
    start_score: Tensor


@dataclass(frozen=True, eq=False)
class _Part:
    lifted: Lifted
    score: Tensor
    logits: Tensor
    counts: tuple[int, int]
    generalised: str
    layer: str


def multipliers(need: Multipliers, run: Gathering) -> Lifted:
    """Contributions of all inputs, chunk by chunk."""
    parts: list[_Part] = []

    def work(first: int, last: int) -> None:
        rows = range(first, last)
        parts.append(_chunk(run.passes, run.inputs[first:last], run.baseline[first:last], rows, need.at_layer))
        run.advance(last - first)

    run.passes.refuse_scripts()
    run.chunks.run(len(run.inputs), work)
    run.remember_score(torch.cat([p.score for p in parts]), torch.cat([p.logits for p in parts]))
    run.counts[need] = parts[-1].counts
    run.generalised[need] = parts[-1].generalised
    if need.at_layer:
        run.layer_name = parts[0].layer
    return Lifted(torch.cat([p.lifted.contributions for p in parts]), torch.cat([p.lifted.start_score for p in parts]))


def _chunk(passes: Passes, inputs: Tensor, baseline: Tensor, rows: range, at_layer: bool) -> _Part:
    reference = Reference()
    layers0 = passes.watch_layer(inputs.shape, recorded=True) if at_layer else None
    start_out, returned = _reference_pass(passes, baseline, rows, reference, layers0)
    leaf, given = leaf_and_copy(inputs)
    rules = Rescale(reference.replay())
    layers = passes.watch_layer(inputs.shape) if at_layer else None
    with torch.enable_grad():
        logits = _run(passes, given, rules, layers, rows)
        rules.finish(logits)
        selected = passes.score.select(logits, rows)
        score = passes.score.value(selected)
    start_score = passes.score.value(start_out)
    # Asked for only now: where an operator has no rule, that is the reason to give.
    start_layer = None if layers0 is None else _layer_at_baseline(layers0, output_of(returned))
    found = None if layers is None else layers.find(score)
    (slopes,) = gradients(
        selected, [leaf if found is None else found.tensor], _start(selected, score, start_out, start_score)
    )
    if found is None or start_layer is None:
        contributions = slopes * (inputs - baseline)
    else:
        contributions = found.form.maps(slopes * (found.tensor.detach() - start_layer.tensor))
    lifted = Lifted(contributions, start_score)
    counts = (rules.intercepted, rules.executed)
    name = found.name if found else ""
    return _Part(lifted, score.detach(), logits.detach(), counts, rules.generalised, name)


def _reference_pass(
    passes: Passes, baseline: Tensor, rows: range, reference: Reference, layers: LayerWatch | None
) -> tuple[Tensor, Any]:
    """(the selected raw outputs at the baseline, what the network returned there)."""
    with torch.no_grad():
        if layers is None:
            with passes.mode(reference):
                returned = passes.network(baseline.clone())
        else:
            with layers.attached(passes.mode(reference, layers.watch)):
                returned = passes.network(baseline.clone())
    selected = passes.score.select(logits_of(returned, len(rows)), rows)
    return selected, returned


def _layer_at_baseline(layers: LayerWatch, end: Tensor) -> Found:
    try:
        return layers.find_recorded(end)
    except NotReplayable:
        raise NotDefinedHere(
            "The layer's activations at the baseline could not be told from others of this network.",
            "Choose the layer by its name, or DeepLIFT at the input.",
        ) from None


def _run(passes: Passes, given: Tensor, rules: Rescale, layers: LayerWatch | None, rows: range) -> Tensor:
    if layers is None:
        with passes.mode(rules):
            return logits_of(passes.network(given), len(rows))
    with layers.attached(passes.mode(rules, layers.watch)):
        return logits_of(passes.network(given), len(rows))


def _start(selected: Tensor, score: Tensor, start_selected: Tensor, start_score: Tensor) -> Tensor:
    """What the pass starts with: delta f / delta output, since the score may be the log-odds of a probability."""
    (slope,) = torch.autograd.grad(score.sum(), selected, retain_graph=True)
    difference = selected.detach() - start_selected
    quotient = (score.detach() - start_score) / difference
    return torch.where(difference.abs() < SMALL, slope, quotient)
