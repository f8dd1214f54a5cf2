"""Fewer cases than a data set has, for a first try: patients drawn by the seed, classes in proportion."""

from __future__ import annotations

from collections.abc import Sequence

from saliency_viewer.runtime.seeds import derived_seed
from saliency_viewer.training.datasets.listing import Listed

_FIRST = 3  # patients of each class that go before all others: one for each side of a split


def draw(cases: Sequence[Listed], limit: int, seed: int) -> tuple[Listed, ...]:
    """At most ``limit`` cases (0: all) in their order, with all images of each patient drawn."""
    if not limit or len(cases) <= limit:
        return tuple(cases)
    patients: dict[str, list[Listed]] = {}
    for one in cases:
        patients.setdefault(one.case.patient, []).append(one)
    chosen: set[str] = set()
    left = limit
    for name in _order(patients, seed):
        if len(patients[name]) <= left:
            chosen.add(name)
            left -= len(patients[name])
    return tuple(one for one in cases if one.case.patient in chosen)


def _order(patients: dict[str, list[Listed]], seed: int) -> list[str]:
    """Patients so that every beginning of the list has the classes in about their proportions."""
    owners: dict[int, set[str]] = {}
    for name, own in patients.items():
        for one in own:
            owners.setdefault(one.case.label, set()).add(name)
    drawn = {name: (derived_seed(seed, "limit", name), name) for name in patients}
    strata: dict[int, list[str]] = {}
    for name in sorted(patients, key=drawn.__getitem__):
        rarest = min((one.case.label for one in patients[name]), key=lambda label: (len(owners[label]), label))
        strata.setdefault(rarest, []).append(name)
    place = {
        name: (0.0 if rank < _FIRST else rank / len(stratum))
        for stratum in strata.values()
        for rank, name in enumerate(stratum)
    }
    return sorted(patients, key=lambda name: (place[name], drawn[name]))
