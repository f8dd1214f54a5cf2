"""One number about one region, with everything that says what it is."""

from __future__ import annotations

from dataclasses import dataclass, fields

# Names in the region column that no drawn region stands behind.
WHOLE_IMAGE = "whole image"  # all that the model saw, or the organ when one is given
OUTSIDE_REGIONS = "outside regions"


@dataclass(frozen=True)
class StatisticRow:
    """A row of ``attribution_statistics.csv``; the fields are its columns, in order.

    ``value`` is None where the statistic is undefined, with the reason in ``note``. ``reference``
    says against what the value is to be held (e.g. the prevalence of an average precision).
    """

    subject: str = ""
    patient: str = ""
    session: str = ""
    label: str = ""
    group: str = ""
    predicted: str = ""
    probability: float | None = None
    model: str = ""
    method: str = ""
    target: str = ""
    region: str = ""
    statistic: str = ""
    value: float | None = None
    unit: str = ""
    reference: float | str | None = None
    p_value: float | None = None
    note: str = ""


STATISTIC_COLUMNS = tuple(field.name for field in fields(StatisticRow))
