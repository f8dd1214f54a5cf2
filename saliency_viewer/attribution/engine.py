"""The engine: the only code that runs the network. Methods say what they need, it decides how to get it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.baselines import DEFAULT_BASELINE, make_baseline
from saliency_viewer.attribution.gathering import Gathering
from saliency_viewer.attribution.input_range import given_note, given_range
from saliency_viewer.attribution.methods import Method, method, method_parameters
from saliency_viewer.attribution.needs import LayerEvidence, RulePass
from saliency_viewer.attribution.network_state import Inventory, borrowed, full_precision, working_inputs
from saliency_viewer.attribution.passes import Passes
from saliency_viewer.attribution.results import Result, Results
from saliency_viewer.attribution.score import Score
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.attribution.upsampling import upsample
from saliency_viewer.attribution.validity import Findings, all_finite, judge, residual
from saliency_viewer.domain import Provenance, ScoreTarget, Validity
from saliency_viewer.domain.plan import DEFAULT_BATCH_SIZE
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext


def explain(
    network: nn.Module,
    inputs: Tensor,
    methods: str | Sequence[str],
    target: int | Sequence[int] | ScoreTarget,
    layer: str | None = None,
    baseline: str | Tensor | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    memory_budget: int | None = None,
    batch_size: int | None = None,
    skip_undefined: bool = False,
    input_range: tuple[float | Tensor, float | Tensor] | None = None,
) -> Results:
    """Attribution maps of a torch network by any of :data:`METHODS`.

    Parameters
    ----------
    network:
        Takes (N, C, *spatial) with 1, 2 or 3 spatial dimensions and returns (N, outputs) logits. Left as found.
    inputs:
        (N, C, *spatial), any real dtype.
    methods:
        Method ids (or one); evidence that several of them need is computed once.
    target:
        Index of the explained output, one for each input, or a :class:`~saliency_viewer.domain.ScoreTarget`.
    layer:
        Name of the module whose output the CAMs read; by default the last feature maps on the way to the score.
    baseline:
        ``minimum``, ``zero``, ``mean``, ``maximum``, ``blur`` or a tensor, for path methods.
    parameters:
        Method id to its parameters that differ from the defaults.
    seed:
        Of stochastic methods; the same seed gives the same map whatever the batch size.
    progress, cancel:
        ``progress(fraction, text)`` with fractions that never go back; ``cancel()`` is polled at every operator.
    memory_budget, batch_size:
        Bytes and rows that one chunk may take; chunks are halved when memory runs out.
    skip_undefined:
        Put methods that have no meaning for this network into ``Results.undefined`` instead of raising.
    input_range:
        Smallest and largest possible preprocessed value, for the rule at the input of ``lrp-epsilon-gamma-box``:
        scalars, or tensors that broadcast to ``inputs``. By default each channel's own smallest and largest value in
        this input, which the provenance's notes say.

    Raises
    ------
    UserError
        For wrong arguments, and for methods that are not defined for the network.
    Cancelled
        When ``cancel()`` said so.
    """
    started = time.perf_counter()
    chosen = {found.id: found for found in map(method, [methods] if isinstance(methods, str) else methods)}
    settings = _settings(chosen, parameters or {})
    context = RunContext(progress, cancel)
    _check_inputs(inputs)
    network, inventory = full_precision(network, Inventory.of(network))
    with borrowed(inventory):
        prepared = working_inputs(inventory, inputs)
        score = Score.of(target, len(prepared))
        passes = Passes(network, inventory, score, context.check, layer, polled=cancel is not None)
        gathering = _gathering(passes, prepared, baseline, seed, context, batch_size, input_range)
        gathering.plan([need for key, found in chosen.items() for need in found.needs(settings[key])], memory_budget)
        results = _all(chosen, settings, gathering, skip_undefined, started)
    context.report(1.0, "done")
    return results


def _gathering(
    passes: Passes,
    inputs: Tensor,
    baseline: str | Tensor | None,
    seed: int,
    context: RunContext,
    batch_size: int | None,
    input_range: tuple[float | Tensor, float | Tensor] | None,
) -> Gathering:
    gathering = Gathering(
        passes, inputs, make_baseline(baseline, inputs), seed, context, batch_size or DEFAULT_BATCH_SIZE
    )
    gathering.baseline_name = "given" if isinstance(baseline, Tensor) else baseline or DEFAULT_BASELINE
    if input_range is not None:
        gathering.input_range = given_range(input_range, inputs)
        gathering.range_note = given_note(gathering.input_range, inputs)
    return gathering


def _all(
    chosen: Mapping[str, Method],
    settings: Mapping[str, Any],
    gathering: Gathering,
    skip_undefined: bool,
    started: float,
) -> Results:
    """Every method's result; shared passes count for the method that first asked for them."""
    results = Results()
    for key, found in chosen.items():
        try:
            evidence = gathering.evidence(found.needs(settings[key]))
            results[key] = _finished(found, settings[key], evidence, gathering, started)
        except NotDefinedHere as error:
            if not skip_undefined:
                raise
            results.undefined[key] = error
            continue
        started = time.perf_counter()
    return results


def _settings(chosen: Mapping[str, Method], given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    # Those of a method that is not asked for are checked all the same.
    given_ones = {method(name).id: method_parameters(method(name), dict(values)) for name, values in given.items()}
    return {key: given_ones.get(key) or method_parameters(found, {}) for key, found in chosen.items()}


def _check_inputs(inputs: Tensor) -> None:
    if not isinstance(inputs, Tensor):
        raise UserError(
            f"The input is a {type(inputs).__name__}, no tensor.", "Convert it: torch.as_tensor(input)[None]."
        )
    if not 3 <= inputs.ndim <= 5 or 0 in inputs.shape:
        raise UserError(
            f"The input has the shape {tuple(inputs.shape)}.",
            "Give (batch, channel, then one, two or three spatial axes), none of them empty.",
        )
    if not all_finite(inputs):
        raise UserError("The input has values that are not finite.", "Replace them before explaining the network.")


def _finished(found: Method, parameters: Any, evidence: Any, gathering: Gathering, started: float) -> Result:
    """Reduce, upsample, check, and say how it came about."""
    reduced = found.reduce(evidence, parameters)
    at_layer = found.capabilities.needs_layer
    signed = upsample(reduced.values, gathering.inputs.shape[2:]) if at_layer else reduced.values
    one_sided = found.capabilities.one_sided
    values = signed.clamp(min=0) if one_sided else signed
    checked = None
    if reduced.expected_sum is not None:
        logits = None if gathering.score.log_odds else gathering.logits
        # At a layer too: enlarging a map does not keep its sum.
        whole = evidence.score if reduced.of_score else reduced.expected_sum
        checked = residual(reduced.values, reduced.expected_sum, whole, logits if reduced.of_score else None)
    validity = judge(
        signed,
        Findings(
            checked,
            gathering.activation_counts(found.needs(parameters)),
            reduced.standard_error,
            reduced.approximation,
            one_sided,
            gathering.generalisation(found.needs(parameters)),
            answered=all_finite(evidence.score),
        ),
    )
    return Result(
        values=_out(values),
        signed=_out(signed),
        layer_values=_out(reduced.values[:, 0]) if at_layer else None,
        residual=None if checked is None else _out(checked.relative),
        standard_error=None if reduced.standard_error is None else _out(reduced.standard_error),
        target=gathering.score.indices,
        score=_out(evidence.score),
        layer=gathering.layer_name if _uses_layer(found, parameters) else None,
        provenance=_provenance(found, parameters, gathering, started, validity),
        validity=validity,
        one_sided=one_sided,
    )


def _uses_layer(found: Method, parameters: Any) -> bool:
    return found.capabilities.needs_layer or LayerEvidence() in found.needs(parameters)


def _uses_baseline(found: Method, parameters: Any) -> bool:
    return any(need.from_baseline for need in found.needs(parameters))


def _out(values: Tensor) -> Tensor:
    return values.detach().float().cpu()


def _provenance(found: Method, parameters: Any, gathering: Gathering, started: float, validity: Validity) -> Provenance:
    bounded = any(isinstance(need, RulePass) and need.bounded for need in found.needs(parameters))
    return Provenance(
        method=found.id,
        parameters=dataclasses.asdict(parameters),
        target=",".join(map(str, dict.fromkeys(gathering.score.indices))),
        seed=gathering.seed,
        layer=gathering.layer_name if _uses_layer(found, parameters) else None,
        baseline=gathering.baseline_name if _uses_baseline(found, parameters) else None,
        device=str(gathering.inputs.device),
        threads=torch.get_num_threads(),
        batch_size=gathering.chunks.size,
        seconds=time.perf_counter() - started,
        versions={"torch": str(torch.__version__)},
        notes=tuple(note for note in (validity.text, gathering.range_note if bounded else "") if note),
    )
