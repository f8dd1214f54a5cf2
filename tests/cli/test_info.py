"""What ``info`` shows of who the patient is."""

from __future__ import annotations

import pytest

from saliency_viewer.cli.anonymous import without_identity
from saliency_viewer.domain import Identity

RECORD = {
    "series": [
        {
            "description": "T1 Ian LEE, SMITHJOHN_3",
            "orientation": "axial",
            "transfer_syntax": "Implicit VR Little Endian",
            "warnings": ["missing slice: 1 of 8 are absent"],
        }
    ],
    "unreadable": [{"path": "lee_smith.dcm", "reason": "missing pixels"}],
}


def _identity(name: str) -> Identity:
    return Identity(patient_name=name)


@pytest.mark.parametrize("name", ["Ian^Lee", "Axi^Miss", "Little^End"])
def test_words_of_the_standard_and_of_our_warnings_stay(name: str) -> None:
    series = without_identity(RECORD, _identity(name))["series"][0]
    for key in ("orientation", "transfer_syntax", "warnings"):
        assert series[key] == RECORD["series"][0][key]


def test_names_go_from_free_text_short_ones_as_words_and_long_ones_anywhere() -> None:
    found = without_identity(RECORD, _identity("Smith^Lee"))
    assert found["series"][0]["description"] == "T1 Ian [removed], [removed]JOHN_3"
    assert found["unreadable"][0] == {"path": "[removed]_[removed].dcm", "reason": "missing pixels"}
    assert without_identity("sleeping", _identity("Lee")) == "sleeping"
