"""Everything that one forward and at most one backward pass can give at the inputs themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.head import HeadWatch
from saliency_viewer.attribution.landmarks import Lost
from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.passes import Passes, gradients, leaf_and_copy, single
from saliency_viewer.attribution.recording import NotReplayable
from saliency_viewer.attribution.score import logits_of, output_of
from saliency_viewer.attribution.target_layer import Found, LayerWatch
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError


@dataclass(frozen=True)
class PointWish:
    """Which evidence is wanted."""

    gradient: bool
    layer: bool
    head: bool


@dataclass(frozen=True, eq=False)
class PointResult:
    """What was found for some rows; ``activations`` and ``layer_gradient`` are (N, K, *layer spatial)."""

    score: Tensor
    logits: Tensor
    gradient: Tensor | None = None
    activations: Tensor | None = None
    layer_gradient: Tensor | None = None
    layer_name: str = ""
    head: Tensor | None = None
    layer_refused: UserError | None = None
    head_refused: UserError | None = None


Way = Callable[[Passes, Tensor, range, PointWish], PointResult]


def at_point(passes: Passes, inputs: Tensor, rows: range, wish: PointWish) -> PointResult:
    """The wished evidence at ``inputs`` (N, C, *spatial), whose rows belong to the samples ``rows``.

    Without a gradient at the input, the pass keeps no graph, and only the operators behind the layer run again.
    """
    if wish.layer and not wish.gradient and passes.unseen("") is None:
        try:
            return passes.quick(lambda given: _unless_lost(_layer_only, passes, given, rows, wish), inputs)
        except NotReplayable:
            pass
    return _unless_lost(_with_graph, passes, inputs, rows, wish)


def _unless_lost(way: Way, passes: Passes, inputs: Tensor, rows: range, wish: PointWish) -> PointResult:
    """One pass; where a landmark has become wrong a second one, watched from its beginning."""
    try:
        return way(passes, inputs, rows, wish)
    except Lost:
        return way(passes, inputs, rows, wish)


def _layer_only(passes: Passes, inputs: Tensor, rows: range, wish: PointWish) -> PointResult:
    layers = passes.watch_layer_only(inputs.shape, recorded=True)
    heads, given = HeadWatch(), inputs.clone()
    with torch.no_grad(), layers.attached(passes.mode(watch=_watch(layers, heads if wish.head else None))):
        returned = passes.network(given)
    raw = output_of(returned)
    logits = logits_of(returned, len(rows))
    score = passes.score.value(passes.score.select(logits, rows))
    try:
        found = layers.find_recorded(raw)
    except UserError as error:
        return PointResult(score, logits, layer_refused=error)
    leaf, copy = leaf_and_copy(found.tensor)
    with torch.enable_grad():
        again = logits_of(found.replayed(copy, raw), len(rows))
        if not torch.allclose(again, logits, rtol=1e-4, atol=1e-6):
            raise NotReplayable
        end = passes.score.value(passes.score.select(again, rows))
    (slope,) = gradients(end.sum(), [leaf])
    return _result(passes, score, logits, found, heads if wish.head else None, None, slope)


def _with_graph(passes: Passes, inputs: Tensor, rows: range, wish: PointWish) -> PointResult:
    leaf, given = leaf_and_copy(inputs)
    visible = not (passes.inventory.hidden or isinstance(passes.network, torch.jit.ScriptModule))
    layers = passes.watch_layer_only(inputs.shape, recorded=False) if wish.layer and visible else None
    heads = HeadWatch() if wish.head else None
    with torch.enable_grad():
        if layers is None:
            with passes.mode(single(inputs)):
                logits = logits_of(passes.network(given), len(rows))
        else:
            with layers.attached(passes.mode(single(inputs), _watch(layers, heads))):
                logits = logits_of(passes.network(given), len(rows))
        score = passes.score.value(passes.score.select(logits, rows))
    found, refused = _found(layers, score, passes.unseen("Class activation maps") if wish.layer else None)
    asked = [leaf] * wish.gradient + ([] if found is None else [found.tensor])
    slopes = gradients(score.sum(), asked) if asked else []
    gradient = slopes[0] if wish.gradient else None
    if found is None:
        return PointResult(score.detach(), logits.detach(), gradient, layer_refused=refused)
    return _result(passes, score.detach(), logits.detach(), found, heads, gradient, slopes[-1])


def _watch(layers: LayerWatch, heads: HeadWatch | None) -> Any:
    if heads is None:
        return layers.watch

    def both(call: Call, result: Any) -> None:
        layers.watch(call, result)
        heads.watch(call, result)

    return both


# A refused layer or head must not cost the other methods the evidence of the same pass.
def _found(layers: LayerWatch | None, score: Tensor, unseen: UserError | None) -> tuple[Found | None, UserError | None]:
    if layers is None:
        return None, unseen
    try:
        return layers.find(score), None
    except UserError as error:
        return None, unseen or error
    finally:
        layers.forget()


def _result(
    passes: Passes,
    score: Tensor,
    logits: Tensor,
    found: Found,
    heads: HeadWatch | None,
    gradient: Tensor | None,
    slope: Tensor,
) -> PointResult:
    activations = found.form.maps(found.tensor.detach())
    weights, refused = _head_weights(passes, heads, logits, activations)
    return PointResult(
        score, logits, gradient, activations, found.form.maps(slope), found.name, weights, head_refused=refused
    )


def _head_weights(
    passes: Passes, heads: HeadWatch | None, logits: Tensor, activations: Tensor
) -> tuple[Tensor | None, UserError | None]:
    if heads is None:
        return None, None
    if passes.score.log_odds:
        refusal = "Saliency Tubes is not defined for a network that ends in probabilities."
        return None, NotDefinedHere(refusal, "Use Grad-CAM, or a package whose network returns logits.")
    try:
        return heads.weights(logits, activations, passes.layer is not None), None
    except UserError as error:
        return None, error
