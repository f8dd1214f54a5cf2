from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saliency_viewer.domain import STATISTIC_COLUMNS, StatisticRow
from saliency_viewer.exporters import read_statistics, write_statistics
from saliency_viewer.exporters.statistics import cell


def test_the_header_is_the_agreed_one(tmp_path: Path) -> None:
    text = write_statistics([], tmp_path / "s.csv").read_text()
    assert text == (
        "subject,patient,session,label,group,predicted,probability,model,method,target,region,statistic,"
        "value,unit,reference,p_value,note\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.333333"),
        (1234567.0, "1.23457e+06"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (None, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        ("0.50", "0.50"),
    ],
)
def test_numbers_have_six_significant_digits_and_undefined_ones_are_empty(value: float | str, text: str) -> None:
    assert cell(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reading_a_cell_and_writing_it_again_changes_nothing(value: float) -> None:
    assert cell(float(cell(value))) == cell(value)


def test_commas_quotes_and_other_letters_survive(tmp_path: Path) -> None:
    row = StatisticRow(subject='a,"b"', region="Läsion, links", statistic="mean", value=2.5, note="first\nsecond")
    path = write_statistics([row], tmp_path / "s.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        record = next(csv.DictReader(stream))
    assert tuple(record) == STATISTIC_COLUMNS
    assert (record["subject"], record["region"], record["note"]) == ('a,"b"', "Läsion, links", "first\nsecond")


def test_a_file_read_and_written_again_has_the_same_bytes(tmp_path: Path) -> None:
    rows = [
        StatisticRow(subject="1", probability=0.98765432, statistic="mean", value=1 / 7, reference=0.25),
        StatisticRow(subject="02", statistic="mass_fraction", note="no evidence", reference="prevalence"),
        StatisticRow(subject="3", p_value=0.049, value=-1e-12),
    ]
    first = write_statistics(rows, tmp_path / "a.csv")
    second = write_statistics(read_statistics(first), tmp_path / "b.csv")
    assert second.read_bytes() == first.read_bytes()
    assert b"\r" not in first.read_bytes()
