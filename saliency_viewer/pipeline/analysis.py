"""One plan in, one result out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from saliency_viewer.domain import (
    AnalysisPlan,
    AnalysisResult,
    AttributionMap,
    MethodFailure,
    Prediction,
    ScoreTarget,
    Volume,
    study_warnings,
)
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.fold_maps import mean_map
from saliency_viewer.pipeline.folds import choose_fold
from saliency_viewer.pipeline.services import LoadedImage, Services
from saliency_viewer.pipeline.threads import compute_threads
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.attribution import Result
    from saliency_viewer.models import Classifier, Prepared

_READ, _PREDICTED, _EXPLAINED = 0.1, 0.25, 0.97  # rough shares of the time
_SHOWN_SLICES = 3


def run_plan(
    plan: AnalysisPlan, services: Services, context: RunContext | None = None, known_as: Sequence[str] = ()
) -> AnalysisResult:
    """Read, predict and explain as ``plan`` says.

    ``known_as`` are the case's subject and patient, by which a package's lists of training cases are searched, beside
    the patient's ID in the file and the image itself. A method that is not defined for the network is listed in
    ``failures`` of the result; every other fault raises :class:`UserError`. Raises :class:`Cancelled` when the context
    says so.
    """
    context = context or RunContext()
    started = time.perf_counter()
    check_plan(plan)
    from saliency_viewer.runtime.devices import choose_device

    with compute_threads(plan.threads):
        device = choose_device(plan.device)
        context.report(0.0, "Reading the image")
        image = services.image(plan.image, context.part(0.0, _READ))
        context.report(_READ, "Loading the model")
        card, lists = services.card(plan.model), services.case_lists(plan.model)
        choice = choose_fold(card, lists, plan.fold, (*known_as, image.patient), image.digest)
        classifier = services.classifier(plan.model, device, choice.fold)
        context.report(_READ, "Asking the model")
        result = _answered(plan, classifier, image, context)
    context.report(1.0, "Done")
    told = (choice.warning,) if choice.warning else ()
    known = choice.is_training_case
    return replace(
        result,
        maps=tuple(replace(m, provenance=replace(m.provenance, is_training_case=known)) for m in result.maps),
        warnings=(*image.warnings, *told, *result.warnings),
        is_training_case=known,
        seconds=time.perf_counter() - started,
    )


def _answered(plan: AnalysisPlan, classifier: Classifier, image: LoadedImage, context: RunContext) -> AnalysisResult:
    """Prediction and maps of a loaded model."""
    volume = image.volume
    prediction = classifier.predict(volume, context.part(_READ, _PREDICTED), batch_size=plan.batch_size)
    slices = explained_slices(plan, classifier, volume, prediction)
    maps, failures = explain_volume(plan, classifier, volume, prediction, slices, context.part(_PREDICTED, _EXPLAINED))
    return AnalysisResult(
        volume=volume,
        prediction=prediction,
        maps=maps,
        card=classifier.card,
        model_hash=classifier.model_hash,
        image_hash=image.digest,
        slices=plan.slices or slices or _telling_slices(maps, volume),
        failures=failures,
        warnings=(*study_warnings(classifier.card, volume), *prediction.warnings),
        fold=classifier.fold,
    )


def check_plan(plan: AnalysisPlan) -> None:
    """Refuse what can be refused before anything is read; raises :class:`UserError`. Does not import torch."""
    from saliency_viewer.attribution import method
    from saliency_viewer.domain import parameter_specs

    for request in plan.methods:
        chosen = method(request.id)
        specs = {spec.name: spec for spec in parameter_specs(chosen.Parameters)}
        for name, value in request.parameters.items():
            if name not in specs:
                known = ", ".join(specs) or "none"
                raise UserError(f"{chosen.id} has no parameter '{name}'.", f"Its parameters are: {known}.")
            specs[name].parse(value, chosen.id)
    if plan.threads < 1 or plan.batch_size < 1:
        raise UserError("Threads and batch size must be at least 1.", "Choose a number from 1.")


def explained_slices(
    plan: AnalysisPlan, classifier: Classifier, volume: Volume, prediction: Prediction
) -> tuple[int, ...]:
    """Slices to run a slice-wise network on; empty for one that takes the whole volume."""
    last = volume.geometry.shape[0] - 1
    wrong = [index for index in plan.slices if not 0 <= index <= last]
    if wrong:
        raise UserError(f"The image has no slice {wrong[0]}.", f"Slices go from 0 to {last}.")
    if classifier.card.input.layout == "3d":
        return ()
    return plan.slices or classifier.default_slices(volume, prediction)


def explain_volume(
    plan: AnalysisPlan,
    classifier: Classifier,
    volume: Volume,
    prediction: Prediction,
    slices: tuple[int, ...],
    context: RunContext,
) -> tuple[tuple[AttributionMap, ...], tuple[MethodFailure, ...]]:
    """Maps of the plan's methods for an image in memory; ``slices`` empty: the whole volume in one sample.

    Those of an ensemble are the means of its folds' maps.
    """
    if not plan.methods:
        return (), ()
    target = classifier.target(plan.target, prediction)
    prepared = classifier.prepare(volume, slices or None)
    members = classifier.members
    found = [
        _explained(
            plan, member, volume, prediction, prepared, target, context.part(k / len(members), (k + 1) / len(members))
        )
        for k, member in enumerate(members)
    ]
    failures = {failure.method: failure for _, failed in found for failure in failed}
    by_method = {amap.method: [amap] for amap in found[0][0] if amap.method not in failures}
    for maps, _ in found[1:]:
        for amap in maps:
            if amap.method in by_method:
                by_method[amap.method].append(amap)
    folds = [member.fold for member in members]
    means = tuple(mean_map(maps, folds, classifier.model_hash, classifier.fold) for maps in by_method.values())
    return means, tuple(failures.values())


def _explained(
    plan: AnalysisPlan,
    classifier: Classifier,
    volume: Volume,
    prediction: Prediction,
    prepared: Prepared,
    target: ScoreTarget,
    context: RunContext,
) -> tuple[list[AttributionMap], list[MethodFailure]]:
    """Maps of one network; ``prediction`` is that of all folds."""
    from saliency_viewer.attribution import explain

    results = explain(
        classifier.network,
        prepared.inputs,
        methods=[request.id for request in plan.methods],
        target=target,
        layer=plan.layer or classifier.card.explain.layer,
        baseline=classifier.baseline(prepared, plan.baseline),
        parameters={request.id: dict(request.parameters) for request in plan.methods},
        seed=plan.seed,
        progress=context.report,
        cancel=context.cancel,
        memory_budget=plan.memory_budget,
        batch_size=plan.batch_size,
        skip_undefined=True,
        input_range=classifier.input_range(prepared),
    )
    maps = [
        _as_map(plan, classifier, volume, prediction, prepared, name, target.name, result)
        for name, result in results.items()
    ]
    return maps, [MethodFailure(name, error.message, error.hint) for name, error in results.undefined.items()]


def _as_map(
    plan: AnalysisPlan,
    classifier: Classifier,
    volume: Volume,
    prediction: Prediction,
    prepared: Prepared,
    method_id: str,
    target: str,
    result: Result,
) -> AttributionMap:
    """One method's result on the image's own grid."""
    card = classifier.card
    index = prediction.classes.index(target)
    provenance = replace(
        result.provenance,
        target=target,
        model_name=card.name,
        model_version=card.version,
        model_hash=classifier.model_hash,
        threads=plan.threads,
        batch_size=plan.batch_size,
        baseline=plan.baseline or card.explain.baseline,
        fold=classifier.fold,
    )
    return AttributionMap(
        array=classifier.project(result.signed, prepared),
        geometry=volume.geometry,
        method=method_id,
        target=target,
        validity=result.validity,
        provenance=provenance,
        one_sided=result.one_sided,
        logit=float(prediction.logits[index]),
        probability=float(prediction.probabilities[index]),
        target_is_predicted=index == prediction.predicted,
        residual=_worst(result.residual),
        standard_error=_worst(result.standard_error),
        slices=tuple(prepared.slices),
    )


def _worst(values: object) -> float | None:
    """The value of largest size of a number, tensor or None."""
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return float(array[np.argmax(np.abs(array))]) if array.size else None


def _telling_slices(maps: tuple[AttributionMap, ...], volume: Volume) -> tuple[int, ...]:
    """Slices to show of a volume that was explained as a whole: those with the most evidence in the first map."""
    count = volume.geometry.shape[0]
    if not maps or maps[0].is_empty():
        return tuple(sorted({count // 4, count // 2, (3 * count) // 4}))
    evidence = np.nansum(np.abs(maps[0].array, dtype=np.float64), axis=(1, 2))
    strongest = np.argsort(-evidence, kind="stable")[: min(_SHOWN_SLICES, count)]
    return tuple(sorted(int(index) for index in strongest))
