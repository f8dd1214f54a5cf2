"""Old session files, step by step, to the present form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saliency_viewer.errors import UserError

FORMAT = "saliency-viewer session"
VERSION = 4

Record = dict[str, Any]


_UNKNOWN = {"frame_of_reference": "", "through_space": True, "located": True}


def _with_grids(record: Record) -> Record:
    """Version 2 says which grid an image was shown on, and whether and in which coordinate system grids stand."""
    changed = dict(record)
    if changed["image"] is not None:
        changed["image"] = {**changed["image"], "grid": ""}
    if changed["regions"] is not None:
        changed["regions"] = _located(changed["regions"])
    changed["maps"] = [_located(amap) for amap in changed["maps"]]
    return changed


def _located(holder: Record) -> Record:
    return {**holder, "geometry": {**holder["geometry"], **_UNKNOWN}}


def _with_warnings(record: Record) -> Record:
    """Version 3 keeps what was said of the files that regions came from."""
    regions = record["regions"]
    return {**record, "regions": None if regions is None else {**regions, "warnings": []}}


def _with_folds(record: Record) -> Record:
    """Version 4 says which network of an ensemble was asked for and made a map, and whether it knew the case."""
    plan, unknown = record["plan"], {"fold": "", "is_training_case": False}
    maps = [{**amap, "provenance": {**amap["provenance"], **unknown}} for amap in record["maps"]]
    return {**record, "plan": None if plan is None else {**plan, "fold": ""}, "maps": maps}


# From version k (the key) to k + 1. A change of the schema raises VERSION and adds its step here.
MIGRATIONS: dict[int, Callable[[Record], Record]] = {1: _with_grids, 2: _with_warnings, 3: _with_folds}


def migrate(
    record: Any, version: int = VERSION, migrations: dict[int, Callable[[Record], Record]] | None = None
) -> Record:
    """``record`` in form ``version``; raises :class:`UserError` for a newer file, ValueError for a foreign one."""
    if not isinstance(record, dict) or record.get("format") != FORMAT or type(record.get("version")) is not int:
        raise ValueError("not a session record")
    steps = MIGRATIONS if migrations is None else migrations
    if record["version"] > version:
        raise UserError(
            "This session was saved by a newer Saliency Viewer.", "Open it with that version, or update this one."
        )
    while record["version"] < version:
        before = record["version"]
        record = {**steps[before](record), "version": before + 1}
    return dict(record)
