"""A study of another kind than the model's is told apart, and one of its kind is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saliency_viewer.domain import InputSpec, ModelCard, OutputSpec, Volume, study_warnings
from saliency_viewer.domain.kinds import same_body_part, same_view
from saliency_viewer.spatial import Geometry

CARD = ModelCard("n", "1", "builtin:x", "w", OutputSpec(("a", "b")), InputSpec())


def volume(shape=(4, 6, 6), spacing=(2.0, 0.5, 0.5), calibration="patient", colour=None, oriented=True, **more):
    geometry = Geometry.from_spacing(shape, spacing, calibration, oriented)
    geometry = replace(geometry, through_space=more.pop("through_space", True))
    return Volume(np.zeros(shape, np.uint8), geometry, colour=colour, **more)


COLOUR = np.zeros((4, 6, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("one", "other"), [("CHEST", "Thorax"), ("chest", "LUNG"), ("CHEST/ABD", "ABDOMEN"), ("C-SPINE", "CSPINE"),
                       ("Head", "BRAIN"), ("KNEE", "knee")],
)  # fmt: skip
def test_words_for_the_same_part(one, other):
    assert same_body_part(one, other)
    assert same_body_part(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("CHEST", "HEAD"), ("UPPER EXTREMITY", "LOWER EXTREMITY"), ("LSPINE", "CSPINE")]
)
def test_words_for_other_parts(one, other):
    assert not same_body_part(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("PA", "Postero-anterior"), ("AP SUPINE", "FRONTAL"), ("LL", "LATERAL"), ("LAT", "RL")]
)
def test_words_for_the_same_view(one, other):
    assert same_view(one, other)
    assert same_view(other, one)


@pytest.mark.parametrize(("one", "other"), [("PA", "AP"), ("LL", "RL"), ("FRONTAL", "LATERAL"), ("CC", "MLO")])
def test_words_for_other_views(one, other):
    assert not same_view(one, other)


SUITABLE = {
    "nothing said": ({}, {}, volume()),
    "synonyms": ({"body_part": ("CHEST",), "view": ("FRONTAL",)}, {}, volume(body_part="THORAX", view="AP")),
    "picture": ({"modality": ("DX",)}, {}, volume(modality="OT")),
    "spacings": ({"pixel_spacing": (0.5, 1.0), "slice_spacing": (1.0, 2.0), "slices": (4, 9)}, {}, volume()),
    "one slice": ({"slice_spacing": (9.0, 9.0)}, {}, volume((1, 6, 6))),
    "colour in three": ({}, {"channels": 3}, volume(colour=COLOUR)),
    "sides": ({}, {"orientation": "RAS"}, volume()),
    "2d cine": ({}, {}, volume(through_space=False)),
}


@pytest.mark.parametrize(("card", "inputs", "image"), SUITABLE.values(), ids=SUITABLE.keys())
def test_a_study_of_the_models_kind_is_not_warned_of(card, inputs, image):
    assert study_warnings(replace(CARD, input=InputSpec(**inputs), **card), image) == ()


OTHER = {
    "modality": ({"modality": ("DX",)}, {}, volume(modality="CT"), "modality DX"),
    "body part": ({"body_part": ("CHEST",)}, {}, volume(body_part="HEAD"), "body part CHEST"),
    "view": ({"view": ("PA",)}, {}, volume(view="LL"), "view PA"),
    "pixels": ({"pixel_spacing": (0.1, 0.3)}, {}, volume(), "pixels 0.1 to 0.3 mm apart, but here they are 0.5"),
    "slices apart": ({"slice_spacing": (0.5, 1.5)}, {}, volume(), "slices 0.5 to 1.5 mm apart, but here they are 2"),
    "slices": ({"slices": (20, 400)}, {}, volume(), "20 to 400 slices, but this image has 4"),
    "no millimetres": ({"pixel_spacing": (0.1, 9)}, {}, volume(calibration="none"), "does not say its own"),
    "grey": ({}, {"channels": 3, "colour": "colour"}, volume(), "this image is grey"),
    "colour": ({}, {"channels": 3, "colour": "grey"}, volume(colour=COLOUR), "brightness"),
    "colour in one": ({}, {}, volume(colour=COLOUR), "brightness"),
    "colour in 2.5d": ({}, {"layout": "2.5d", "channels": 3}, volume(colour=COLOUR), "brightness"),
    "sides": ({}, {"orientation": "RAS"}, volume(oriented=False), "which side is which"),
    "time": ({}, {"layout": "3d"}, volume(through_space=False), "in time"),
    "depth": ({}, {"layout": "2.5d", "channels": 3}, volume((1, 6, 6)), "only one"),
}


@pytest.mark.parametrize(("card", "inputs", "image", "said"), OTHER.values(), ids=OTHER.keys())
def test_a_study_of_another_kind_is_said_once(card, inputs, image, said):
    (sentence,) = study_warnings(replace(CARD, input=InputSpec(**inputs), **card), image)
    assert said in sentence


def test_everything_that_is_wrong_is_said():
    card = replace(CARD, modality=("DX",), slices=(1, 1), input=InputSpec(orientation="RAS"))
    assert len(study_warnings(card, volume(modality="CT", oriented=False))) == 3
