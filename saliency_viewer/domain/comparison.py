"""Several models asked about one image, and how far their maps agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain.result import AnalysisResult
from saliency_viewer.domain.statistics import StatisticRow

# Two checkpoints of one architecture give repeatability, two architectures give reproducibility.
Relation = Literal["same model", "repeatability", "reproducibility", "unknown"]
AGREEMENT_COLUMNS = (
    "model_a",
    "method_a",
    "model_b",
    "method_b",
    "relation",
    "region",
    "statistic",
    "value",
    "unit",
    "chance",
    "note",
)


@dataclass(frozen=True, eq=False)
class Contender:
    """One model of a comparison. ``name`` is unique in it; a model that failed has the reason instead of a result."""

    name: str
    model: str = field(repr=False)  # path of the package
    result: AnalysisResult | None = None
    failure: str = ""


@dataclass(frozen=True)
class AgreementRow:
    """One number about two maps; the fields are the columns of agreement.csv.

    ``value`` None is undefined, with the reason in ``note``. ``chance`` is what 95 % of unrelated maps of the same
    smoothness stay below.
    """

    model_a: str
    method_a: str
    model_b: str
    method_b: str
    relation: Relation
    region: str
    statistic: str
    value: float | None
    unit: str = ""
    chance: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Contenders in the order asked for, agreement of every pair of maps of one method or of one model.

    ``between_models`` has for each method, ``between_methods`` for each contender, the range of ranks (0..1 float32,
    (slice, row, column), NaN where any map saw nothing). ``statistics`` are the usual region rows of every map.
    """

    contenders: tuple[Contender, ...]
    methods: tuple[str, ...]
    rows: tuple[AgreementRow, ...] = ()
    between_models: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    between_methods: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    statistics: tuple[StatisticRow, ...] = ()
