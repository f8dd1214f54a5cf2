"""Reading and writing model.toml."""

from __future__ import annotations

import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.models import card_to_toml, parse_card

FULL = """
[model]
name = "Pneumonia \\"DenseNet\\" ä"
version = "2.1"
architecture = "torchvision:densenet121"
weights = "w.pt"
arguments = { num_classes = 2, "odd key" = [1, 2.5, true], nested = { a = "b" } }
intended_use = "research"
task = "classification"
modality = ["DX", "CR"]
body_part = "CHEST"
[output]
classes = ["normal", "pneumonia"]
activation = "softmax"
threshold = 0.4
aggregate = "slice 3"
[input]
layout = "2d"
channels = 3
size = [224, 200]
fit = "crop"
resize = 256
interpolation = "cubic"
antialias = false
pad_value = -1.5
order = "channels_last"
spacing = [0.5, 0.5]
orientation = "ras"
intensity = [ { step = "window", center = 40, width = 400 }, { step = "scale", to = [0, 1] },
  { step = "normalize", mean = [0.4, 0.5, 0.6], std = [0.2, 0.2, 0.2] }, { step = "clip", low = -2, high = 2 },
  { step = "percentile", low = 1, high = 99 }, { step = "zscore", of = "nonzero" }, { step = "minmax" } ]
[explain]
layer = "features.norm5"
target = "pneumonia"
baseline = "blur"
"""


def test_every_key_is_read(make):
    card = parse_card(FULL)
    assert (card.version, card.weights, card.body_part) == ("2.1", "w.pt", ("CHEST",))
    assert (card.input.size, card.input.resize, card.input.orientation) == ((224, 200), 256, "RAS")
    assert (card.input.order, card.input.antialias, card.input.pad_value) == ("channels_last", False, -1.5)
    assert (card.output.threshold, card.output.aggregate) == (0.4, "slice 3")
    assert [step["step"] for step in card.input.intensity] == [
        "window", "scale", "normalize", "clip", "percentile", "zscore", "minmax",
    ]  # fmt: skip
    assert (card.explain.layer, card.explain.target, card.explain.baseline) == ("features.norm5", "pneumonia", "blur")


@pytest.mark.parametrize("inputs", ["size = [9, 8]", 'fit = "none"\nlayout = "3d"', None])
def test_writing_and_reading_gives_the_same_card(make, inputs):
    text = FULL if inputs is None else make.card_text(inputs=inputs)
    card = parse_card(text)
    assert parse_card(card_to_toml(card)) == card


@pytest.mark.parametrize(
    ("tables", "named", "cure"),
    [
        ({"inputs": "size = [16]"}, "input.size", "[row, column]"),
        ({"inputs": 'size = [16, 16]\nfit = "letterbocks"'}, "input.fit", "letterbox"),
        ({"inputs": "size = [16, 16]\nchanels = 3"}, "chanels", "channels"),
        ({"inputs": "size = [16, 16]\nchannels = 2"}, "input.channels", "3"),
        ({"inputs": 'layout = "2.5d"\nsize = [16, 16]\nchannels = 4'}, "input.channels", "odd"),
        ({"inputs": 'size = [16, 16]\norientation = "RAX"'}, "input.orientation", "RAS"),
        ({"inputs": "size = [16, 16]\nspacing = [1, 1, 1]"}, "input.spacing", "2"),
        ({"inputs": "size = [16, 16]\nresize = 20"}, "input.resize", "crop"),
        ({"inputs": "channels = 1"}, "input.size", "size ="),
        ({"inputs": 'size = [16, 16]\nintensity = [{ step = "windw" }]'}, "windw", "window"),
        ({"inputs": 'size = [16, 16]\nintensity = [{ step = "window", center = 1 }]'}, "width", "width"),
        ({"inputs": 'size = [16, 16]\nintensity = [{ step = "clip", low = 3, high = 1 }]'}, "clips", "below"),
        ({"inputs": 'size = [16, 16]\nintensity = [{ step = "normalize", mean = [1, 2], std = 1 }]'}, "mean", "length"),
        ({"output": 'classes = "one"'}, "output.classes", "sigmoid"),
        ({"output": 'classes = ["a", "a"]'}, "output.classes", "once"),
        ({"output": 'classes = ["a", "b"]\nactivation = "relu"'}, "output.activation", "softmax"),
        ({"output": 'classes = ["a", "b"]\nthreshold = 2'}, "output.threshold", "between 0 and 1"),
        ({"output": 'classes = ["a", "b"]\naggregate = "slice x"'}, "output.aggregate", "slice N"),
        ({"model": 'architecture = "builtin:x"'}, "model.name", "name ="),
        ({"explain": 'target = "tumour"'}, "explain.target", "lesion"),
        ({"explain": 'baseline = "black"'}, "explain.baseline", "minimum"),
    ],
)
def test_a_wrong_card_names_the_key_and_what_is_right(make, tables, named, cure):
    with pytest.raises(UserError) as caught:
        parse_card(make.card_text(**tables))
    assert named in caught.value.message
    assert cure in caught.value.hint


@pytest.mark.parametrize("text", ["[model", "[modle]\nname = 1", "model = 3"])
def test_text_that_is_no_card_is_refused(make, text):
    with pytest.raises(UserError, match=r"model\.toml"):
        parse_card(text)
