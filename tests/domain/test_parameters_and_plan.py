from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest, parameter, parameter_specs
from saliency_viewer.errors import UserError


@dataclass(frozen=True)
class Parameters:
    steps: int = parameter(20, label="Steps", help="Nodes.", minimum=1, maximum=500)
    sigma: float = parameter(0.15, label="Sigma", help="Noise.", minimum=0.0, unit="of the range")
    rule: str = parameter("midpoint", label="Rule", help="Which.", choices=("midpoint", "trapezoid"))
    absolute: bool = parameter(False, label="Absolute", help="Sign.")
    top: int | None = parameter(None, label="Top", help="Empty: all.", minimum=1)


SPECS = {spec.name: spec for spec in parameter_specs(Parameters)}


def test_specs_follow_the_fields():
    assert list(SPECS) == ["steps", "sigma", "rule", "absolute", "top"]
    assert [spec.kind for spec in SPECS.values()] == [int, float, str, bool, int]
    assert SPECS["sigma"].unit == "of the range"
    assert Parameters().steps == SPECS["steps"].default == 20


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("steps", "50", 50),
        ("steps", 50.0, 50),
        ("steps", "1e2", 100),
        ("sigma", "0.2", 0.2),
        ("sigma", 1, 1.0),
        ("rule", "trapezoid", "trapezoid"),
        ("absolute", "Yes", True),
        ("absolute", "0", False),
        ("absolute", True, True),
        ("top", "3", 3),
        ("top", None, None),
    ],
)
def test_values_are_converted_to_their_kind(name, given, expected):
    found = SPECS[name].parse(given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("steps", "many"),
        ("steps", "0"),
        ("steps", 501),
        ("steps", 2.5),
        ("steps", "inf"),
        ("steps", None),
        ("sigma", "nan"),
        ("sigma", -1),
        ("rule", "simpson"),
        ("absolute", "perhaps"),
    ],
)
def test_impossible_values_are_refused_with_the_range(name, given):
    with pytest.raises(UserError, match=f"ig.{name}") as caught:
        SPECS[name].parse(given, "ig")
    assert caught.value.hint


def test_plan_survives_json():
    plan = AnalysisPlan(
        ImageReference("a/b", "1.2.3", "regular"),
        "package",
        (MethodRequest("grad-cam"), MethodRequest("smooth-grad", {"samples": 9, "sigma": 0.1})),
        target="pneumonia",
        slices=(40, 50),
        seed=3,
        memory_budget=10,
    )
    assert AnalysisPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_plan_shows_no_path_in_messages():
    plan = AnalysisPlan(ImageReference("/home/Doe^Jane/ct", None), "/home/Doe^Jane/model", ())
    assert "Doe" not in repr(plan)


def test_a_plan_of_before_there_were_grids_means_the_usual_one():
    data = AnalysisPlan(ImageReference("a"), "package", ()).to_dict()
    del data["image"]["grid"]
    assert AnalysisPlan.from_dict(data).image == ImageReference("a")
