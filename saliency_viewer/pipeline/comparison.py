"""Several models asked about one image: the maps of each, and how far they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    AgreementRow,
    AnalysisPlan,
    AnalysisResult,
    AttributionMap,
    Comparison,
    Contender,
    ModelCard,
    RegionSet,
    StatisticRow,
)
from saliency_viewer.domain.comparison import Relation
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.exporters import case_identifier
from saliency_viewer.measure import Memory, agreement, rank_range
from saliency_viewer.pipeline.analysis import run_plan
from saliency_viewer.pipeline.case import CaseFields, measure_case
from saliency_viewer.pipeline.privacy import unexpected
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext

_ASKED = 0.9  # share of the time before maps are compared


def compare_models(
    plans: Sequence[AnalysisPlan], services: Services, regions: RegionSet | None, context: RunContext | None = None
) -> Comparison:
    """Run one plan for each model, on the same image, and compare what came out.

    A model that cannot be used takes its place with the reason; the others are asked what the first one answered
    (:func:`same_question`). A fold is chosen of ensembles only, and a single network's answer carries a warning that it
    was not. Raises :class:`UserError` when no model can be asked, :class:`Cancelled` when the user stopped.
    """
    context = context or RunContext()
    _check_folds(plans, services)
    found: list[Contender] = []
    for number, plan in enumerate(plans):
        about = f"Model {number + 1} of {len(plans)}"
        part = context.part(_ASKED * number / len(plans), _ASKED * (number + 1) / len(plans), about)
        first = next((one.result for one in found if one.result is not None), None)
        found.append(_asked(plan, first, services, part))
    failures = [one.failure for one in found if one.result is None]
    if len(failures) == len(found):
        raise UserError(f"None of the models could be asked: {failures[0]}", "Check the model packages.")
    return compare_results(named(found), regions, context=context.part(_ASKED, 1.0))


def _asked(plan: AnalysisPlan, first: AnalysisResult | None, services: Services, context: RunContext) -> Contender:
    name = ""
    try:
        card = services.card(plan.model)
        name = card.name
        single = bool(plan.fold) and not card.folds
        question = same_question(replace(plan, fold="") if single else plan, first, card)
        result = run_plan(question, services, context)
    except UserError as error:
        return Contender(name, plan.model, failure=f"{error.message} {error.hint}".strip())
    except Cancelled:
        raise
    except Exception as error:  # one broken model must not cost the user the answers of the others
        failure = unexpected(error, (plan.model, plan.image.path))
        return Contender(name, plan.model, failure=failure.message)
    if single:
        told = f"This model is a single network: it answered as it is, without a choice of fold {plan.fold}."
        result = replace(result, warnings=(*result.warnings, told))
    return Contender(name, plan.model, result)


def _check_folds(plans: Sequence[AnalysisPlan], services: Services) -> None:
    """Raise :class:`UserError` when a fold is wanted and all models are single networks."""
    wanted = next((plan.fold for plan in plans if plan.fold), "")
    if not wanted:
        return
    try:
        cards = [services.card(plan.model) for plan in plans]
    except UserError:  # told when that model's turn comes
        return
    if not any(card.folds for card in cards):
        raise UserError(
            f"None of these models is an ensemble, so there is no fold '{wanted}' to choose.",
            "Leave the choice of a fold out.",
        )


def same_question(plan: AnalysisPlan, first: AnalysisResult | None, card: ModelCard) -> AnalysisPlan:
    """The plan for a model beside one that has answered: maps can only agree on the same slices and the same class.

    Where the plan leaves them open they are those of the ``first`` answer. A class that the model of ``card`` does
    not have is left to it.
    """
    target, slices = plan.target, plan.slices
    if first is not None:
        target = target or next((amap.target for amap in first.maps), None)
        slices = slices or first.slices
    classes = card.output.classes
    return replace(plan, target=None if classes and target not in classes else target, slices=slices)


def named(contenders: Sequence[Contender]) -> tuple[Contender, ...]:
    """The contenders with names that tell them apart: the model's own, and a number where two are called alike."""
    taken: list[str] = []
    for position, one in enumerate(contenders, start=1):
        taken.append(free_name(one.name or f"model {position}", taken))
    return tuple(replace(one, name=name) for one, name in zip(contenders, taken, strict=True))


def free_name(title: str, taken: Sequence[str]) -> str:
    """``title``, or ``title (2)`` and so on when it is taken."""
    numbered = (title if k == 1 else f"{title} ({k})" for k in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def compare_results(
    contenders: Sequence[Contender], regions: RegionSet | None, context: RunContext | None = None
) -> Comparison:
    """Compare maps that are there already; the window and the command line end here alike.

    Pairs are those of one method between models, and of one model between methods. Raises :class:`UserError` when
    contenders looked at different images.
    """
    context = context or RunContext()
    _check_images(contenders)
    methods = tuple(
        dict.fromkeys(amap.method for one in contenders if one.result is not None for amap in one.result.maps)
    )
    pairs = _pairs(contenders, methods)
    rows: list[AgreementRow] = []
    memory = Memory()
    for number, (first, second) in enumerate(pairs):
        context.report(number / (len(pairs) + 1), "Comparing maps")
        rows += _numbers(first, second, memory)
    context.report(len(pairs) / (len(pairs) + 1), "Comparing maps")
    compared = Comparison(
        contenders=tuple(contenders),
        methods=methods,
        rows=tuple(rows),
        between_models=_ranges({method: _maps_of(contenders, method) for method in methods}, memory),
        between_methods=_ranges(
            {one.name: list(one.result.maps) for one in contenders if one.result is not None}, memory
        ),
    )
    return with_regions(compared, regions)


def with_regions(comparison: Comparison, regions: RegionSet | None) -> Comparison:
    """The same comparison with other regions: what does not depend on them is not computed again."""
    statistics = tuple(row for one in comparison.contenders for row in _statistics(one, regions))
    masses = _masses(comparison.contenders, statistics, regions)
    whole: defaultdict[tuple[str, ...], list[AgreementRow]] = defaultdict(list)
    for row in comparison.rows:
        if not row.region:
            whole[row.model_a, row.method_a, row.model_b, row.method_b].append(row)
    rows: list[AgreementRow] = []
    for first, second in _pairs(comparison.contenders, comparison.methods):
        rows += whole[first[0].name, first[1].method, second[0].name, second[1].method]
        rows += _mass_rows(first, second, masses)
    return replace(comparison, rows=tuple(rows), statistics=statistics)


def _pairs(contenders: Sequence[Contender], methods: Sequence[str]) -> list[tuple[Entry, Entry]]:
    return [*_between_models(contenders, methods), *_between_methods(contenders)]


Entry = tuple[Contender, AttributionMap]


def _check_images(contenders: Sequence[Contender]) -> None:
    if len({one.result.image_hash for one in contenders if one.result is not None}) > 1:
        raise UserError("The maps are of different images.", "Compare models on one image.")


def _maps_of(contenders: Sequence[Contender], method: str) -> list[AttributionMap]:
    results = [one.result for one in contenders if one.result is not None]
    return [amap for result in results for amap in result.maps if amap.method == method]


def _between_models(contenders: Sequence[Contender], methods: Sequence[str]) -> list[tuple[Entry, Entry]]:
    entries = [
        [(one, amap) for one in contenders if one.result for amap in one.result.maps if amap.method == method]
        for method in methods
    ]
    return [pair for of_method in entries for pair in combinations(of_method, 2)]


def _between_methods(contenders: Sequence[Contender]) -> list[tuple[Entry, Entry]]:
    entries = [[(one, amap) for amap in one.result.maps] for one in contenders if one.result is not None]
    return [pair for of_model in entries for pair in combinations(of_model, 2)]


def _ranges(groups: dict[str, list[AttributionMap]], memory: Memory) -> dict[str, NDArray[np.float32]]:
    """A map that is the same everywhere ranks nothing, so it takes no part."""
    telling = {name: [amap for amap in maps if amap.extent[0] < amap.extent[1]] for name, maps in groups.items()}
    return {name: rank_range(maps, memory) for name, maps in telling.items() if len(maps) > 1}


def relation(first: AnalysisResult, second: AnalysisResult) -> Relation:
    """Two checkpoints of one architecture: repeatability; two architectures: reproducibility.

    What stands in a program file or in a package's own code cannot be told apart by the card's words. One package
    twice, by two layers say, tells nothing of trainings.
    """
    if first is second:
        return "same model"
    a, b = first.card, second.card
    if first.model_hash == second.model_hash or not (_tells(a.architecture) and _tells(b.architecture)):
        return "unknown"
    same = a.architecture == b.architecture and dict(a.arguments) == dict(b.arguments)
    return "repeatability" if same else "reproducibility"


def _tells(architecture: str) -> bool:
    return ":" in architecture and not architecture.startswith("python:")


Masses = dict[tuple[str, str], dict[str, float | None]]


def _numbers(first: Entry, second: Entry, memory: Memory) -> list[AgreementRow]:
    """What is said of two maps as a whole."""
    (one, map_a), (other, map_b) = first, second
    shared = _shared(first, second)
    notes = [f"targets differ: {map_a.target}, {map_b.target}"] if map_a.target != map_b.target else []
    if one is not other and map_a.provenance.model_hash == map_b.provenance.model_hash:
        notes.append("one network twice")
    return [
        AgreementRow(*shared, "", n.statistic, n.value, n.unit, n.chance, "; ".join(t for t in (n.note, *notes) if t))
        for n in agreement(map_a, map_b, memory)
    ]


def _mass_rows(first: Entry, second: Entry, masses: Masses) -> list[AgreementRow]:
    """How far apart the shares of each region are."""
    (one, map_a), (other, map_b) = first, second
    shared = _shared(first, second)
    masses_b = masses[other.name, map_b.method]
    rows = []
    for region, mass in masses[one.name, map_a.method].items():
        other_mass = masses_b[region]
        value = None if mass is None or other_mass is None else abs(mass - other_mass)
        note = "" if value is not None else "a map has no positive evidence"
        rows.append(AgreementRow(*shared, region, "mass_fraction_difference", value, note=note))
    return rows


def _shared(first: Entry, second: Entry) -> tuple[str, str, str, str, Relation]:
    (one, map_a), (other, map_b) = first, second
    if one.result is None or other.result is None:
        raise ValueError("a model without a result has no map")
    return one.name, map_a.method, other.name, map_b.method, relation(one.result, other.result)


def _masses(contenders: Sequence[Contender], rows: Sequence[StatisticRow], regions: RegionSet | None) -> Masses:
    """For each contender's method the share of the positive evidence that each region holds."""
    drawn = set(regions.names) if regions is not None else set()
    maps = [(one.name, amap.method) for one in contenders if one.result is not None for amap in one.result.maps]
    out: Masses = {key: {} for key in maps}
    for row in rows:
        if row.region in drawn and row.statistic == "mass_fraction":
            out[row.model, row.method][row.region] = row.value
    return out


def _statistics(one: Contender, regions: RegionSet | None) -> tuple[StatisticRow, ...]:
    if one.result is None:
        return ()
    subject = case_identifier(one.result.image_hash)
    return tuple(replace(row, model=one.name) for row in measure_case(one.result, regions, CaseFields(subject)))
