"""Whether the evidence lies on the finding, and the held-out cases as a cohort that `batch` takes as it is."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saliency_viewer.domain import (
    AnalysisPlan,
    MethodRequest,
    RegionSet,
    StatisticRow,
    TrainingCase,
)
from saliency_viewer.errors import UserError
from saliency_viewer.exporters import case_identifier, keyed_digest, write_regions, write_statistics, write_table
from saliency_viewer.pipeline.analysis import run_plan
from saliency_viewer.pipeline.case import CaseFields, measure_case
from saliency_viewer.pipeline.services import Services
from saliency_viewer.pipeline.training.ground import Ground
from saliency_viewer.pipeline.training.place import COHORT_COLUMNS, cohort_file
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.seeds import generator
from saliency_viewer.training.datasets import finding_regions

METHOD = "grad-cam"
MOST_EXPLAINED = 200  # enough for an interval; `batch` explains all of them
ROWS, _REGIONS = "localisation.csv", "regions"
STATISTICS = ("pointing_hit", "mass_fraction", "enrichment", "average_precision")


@dataclass(frozen=True)
class Localisation:
    """Figures over the held-out cases whose finding is known: of each statistic the mean and what chance would give.

    ``failed`` cases gave no region or no map.
    """

    finding: str
    marked: int
    explained: int
    failed: int
    means: dict[str, dict[str, float | int | None]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "method": METHOD,
            "finding": self.finding,
            "cases_with_known_finding": self.marked,
            "explained": self.explained,
            "failed": self.failed,
            "statistics": self.means,
        }


def localise(
    ground: Ground, digests: Sequence[str], folder: Path, device: str, context: RunContext
) -> Localisation | None:
    """Write the held-out cases as a cohort with their regions, and explain some of those that have any.

    The regions are in ``folder``, the cohort is :func:`cohort_file`. The package must have been written. Returns None
    where the data set does not say where findings are. Raises :class:`UserError` when the disk refuses,
    :class:`Cancelled` when the user stopped.
    """
    held = ground.cases("test") or ground.cases("validation")
    names = _subjects([digests[case] for case in held])
    services = Services()
    regions: dict[int, RegionSet] = {}
    rows, lost = [], 0
    for number, (index, name) in enumerate(zip(held, names, strict=True)):
        context.report(0.5 * number / len(held), "Writing regions")
        case = ground.data.cases[index]
        try:
            found = _finding(case, ground.data.finding, services)
        except UserError:  # its mask was good when the data set was looked at; the training is not lost for it
            found = None
            lost += 1
        if found is not None:
            regions[index] = found
            write_regions(found, folder / _REGIONS / f"{name}.nii.gz")
        rows.append(_cohort_row(ground, case, name, folder if found is not None else None))
    write_table(COHORT_COLUMNS, rows, cohort_file(ground.plan))
    if not regions and not lost:
        return None
    chosen = _drawn(list(regions), ground.plan.settings.seed)
    subjects = dict(zip(held, names, strict=True))
    measured, failed = _measured(
        ground, {k: regions[k] for k in chosen}, subjects, device, services, context.part(0.5, 1.0)
    )
    write_statistics(measured, folder / ROWS)
    return Localisation(ground.data.finding, len(regions), len(chosen) - failed, failed + lost, _means(measured))


def _finding(case: TrainingCase, name: str, services: Services) -> RegionSet | None:
    if not (case.boxes or case.runs or case.mask):
        return None
    return finding_regions(case, services.image(case.image).volume.geometry, name)


def _measured(
    ground: Ground,
    regions: dict[int, RegionSet],
    subjects: dict[int, str],
    device: str,
    services: Services,
    context: RunContext,
) -> tuple[list[StatisticRow], int]:
    """Rows of every case whose map could be made, for its true class, and how many gave none."""
    found: list[StatisticRow] = []
    failed = 0
    for number, (index, drawn) in enumerate(regions.items()):
        part = context.part(number / len(regions), (number + 1) / len(regions), "Explaining held-out cases")
        case = ground.data.cases[index]
        label = ground.data.classes[case.label]
        plan = AnalysisPlan(
            case.image,
            ground.plan.out,
            (MethodRequest(METHOD),),
            target=label,
            seed=ground.plan.settings.seed,
            device=device,
            threads=ground.plan.threads,
        )
        try:
            result = run_plan(plan, services, part)
        except UserError:
            failed += 1
            continue
        whole = _whole(drawn, ground.data.finding)
        found += measure_case(result, whole, CaseFields(subjects[index], label=label))
        failed += not result.maps
    return [row for row in found if row.region == ground.data.finding], failed


def _whole(regions: RegionSet, name: str) -> RegionSet:
    """One region out of several: the highest value is right in any of them."""
    from saliency_viewer.domain import Region

    mask = np.zeros(regions.geometry.shape, dtype=bool)
    for region in regions.regions:
        mask[region.box] |= region.patch
    return RegionSet(regions.geometry, (Region.from_mask(name, regions.next_colour(), mask),))


def _means(rows: Sequence[StatisticRow]) -> dict[str, dict[str, float | int | None]]:
    values: dict[str, list[tuple[float, float]]] = defaultdict(list)
    undefined: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.value is None:
            undefined[row.statistic] += 1
        elif isinstance(row.reference, (int, float)):
            values[row.statistic].append((row.value, row.reference))
    found: dict[str, dict[str, float | int | None]] = {}
    for name in STATISTICS:
        pairs = np.array(values[name], dtype=np.float64).reshape(-1, 2)
        mean, chance = pairs.mean(axis=0) if len(pairs) else (None, None)
        found[name] = {
            "mean": None if mean is None else float(mean),
            "chance": None if chance is None else float(chance),
            "cases": len(pairs),
            "undefined": undefined[name],
        }
    return found


def _cohort_row(ground: Ground, case: TrainingCase, name: str, report: Path | None) -> tuple[str, ...]:
    """One line of the table; ``report`` is the folder that holds the case's regions, where it has any."""
    regions = ""
    if report is not None:
        path = os.path.relpath(report / _REGIONS / f"{name}.nii.gz", cohort_file(ground.plan).parent)
        regions = Path(path).as_posix()
    return (
        name,
        str(Path(case.image.path).absolute()),
        case.image.series or "",
        patient_code(case.patient),
        ground.data.classes[case.label],
        regions,
    )


def patient_code(patient: str) -> str:
    """What stands for a patient in files."""
    return f"patient-{keyed_digest('patient', patient)[:8]}"


def _subjects(digests: Sequence[str]) -> list[str]:
    """Names of cases, each once: the same image may be in a data set twice."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for digest in digests:
        name = case_identifier(digest)
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found


def _drawn(cases: list[int], seed: int) -> list[int]:
    if len(cases) <= MOST_EXPLAINED:
        return cases
    return sorted(int(case) for case in generator(seed, "localisation").choice(cases, MOST_EXPLAINED, replace=False))
