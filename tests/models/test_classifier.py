"""Answers, targets, baselines and intensity steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from saliency_viewer.domain import ScoreTarget
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.runtime.context import RunContext

INPUT = "size = [4, 4]"


def constant(make, *levels):
    return make.volume(np.stack([np.full((4, 4), level, dtype=np.float32) for level in levels]))


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, dtype=float)))


def test_softmax_of_one_image(make):
    said = make.classifier(make.Mean(1.0, 3.0), inputs=INPUT).predict(constant(make, 0.5))
    np.testing.assert_allclose(said.logits, [0.5, 1.5])
    np.testing.assert_allclose(said.probabilities[1], sigmoid(1.0))
    assert (said.label, said.aggregate, said.slice_index, said.slice_logits) == ("lesion", "", None, None)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_one_output_speaks_for_the_second_class(make, activation):
    model = make.classifier(make.Mean(2.0), inputs=INPUT, output=f'classes = ["a", "b"]\nactivation = "{activation}"')
    said = model.predict(constant(make, -1.0))
    np.testing.assert_allclose(said.logits, [2.0, -2.0])
    np.testing.assert_allclose(said.probabilities, sigmoid([2.0, -2.0]))
    assert model.target(None, said) == ScoreTarget("a", 0, -1.0)
    assert model.target("b", said) == ScoreTarget("b", 0, 1.0)


def test_a_network_that_ends_in_probabilities_has_log_odds(make):
    model = make.classifier(make.Mean(1.0, 3.0), inputs=INPUT, output='classes = ["a", "b"]\nactivation = "none"')
    said = model.predict(constant(make, 0.25))
    np.testing.assert_allclose(said.probabilities, [0.25, 0.75], atol=1e-7)
    np.testing.assert_allclose(said.logits, [-np.log(3), np.log(3)], atol=1e-6)
    assert model.target("a", said) == ScoreTarget("a", 0, 1.0, log_odds=True)


def test_multi_label_heads_name_the_most_probable_and_say_when_none_is_above_the_threshold(make):
    output = 'classes = ["a", "b", "c"]\nactivation = "sigmoid"\nthreshold = 0.6'
    model = make.classifier(make.Mean(-3.0, 1.0, -1.0), inputs=INPUT, output=output)
    said = model.predict(constant(make, 0.1))
    np.testing.assert_allclose(said.probabilities, sigmoid([-0.3, 0.1, -0.1]), atol=1e-6)
    assert said.label == "b"
    assert "threshold" in said.warnings[0]
    assert model.predict(constant(make, 2.0)).warnings == ()


def test_the_threshold_decides_between_two_classes(make):
    for threshold, label in ((0.3, "lesion"), (0.5, "normal")):
        output = f'classes = ["normal", "lesion"]\nthreshold = {threshold}'
        said = make.classifier(make.Mean(0.0, -0.5), inputs=INPUT, output=output).predict(constant(make, 1.0))
        assert said.label == label


@pytest.mark.parametrize(
    ("aggregate", "logits", "index"),
    [("max", [-3.0, 3.0], 2), ("mean", [-1.0, 1.0], None), ("slice 1", [1.0, -1.0], 1)],
)
def test_slices_become_one_answer_as_the_card_says(make, aggregate, logits, index):
    output = f'classes = ["normal", "lesion"]\naggregate = "{aggregate}"'
    said = make.classifier(make.Mean(-1.0, 1.0), inputs=INPUT, output=output).predict(constant(make, 1.0, -1.0, 3.0))
    np.testing.assert_allclose(said.logits, logits)
    np.testing.assert_allclose(said.slice_logits[:, 1], [1.0, -1.0, 3.0])
    assert (said.aggregate, said.slice_index) == (aggregate, index)


def test_a_deciding_slice_beyond_the_volume_is_refused(make):
    model = make.classifier(make.Mean(1.0, 1.0), inputs=INPUT, output='classes = ["a", "b"]\naggregate = "slice 7"')
    with pytest.raises(UserError, match="slice 7"):
        model.predict(constant(make, 1.0, 2.0))


def test_the_answer_does_not_depend_on_the_batch_size(make):
    image = constant(make, *range(11))
    model = make.classifier(make.Mean(-1.0, 0.5), inputs=INPUT)
    answers = [model.predict(image, batch_size=size).slice_logits for size in (1, 4, 100)]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64, np.uint16])
def test_every_number_type_of_image_gives_the_same_answer(make, dtype):
    array = np.random.default_rng(0).integers(0, 200, (1, 9, 9))
    model = make.classifier(make.Mean(0.01, -0.02), inputs=INPUT)
    expected = model.predict(make.volume(array.astype(np.float32))).logits
    np.testing.assert_allclose(model.predict(make.volume(array.astype(dtype))).logits, expected, atol=1e-6)


def test_cancelling_stops_inside_the_network(make):
    calls = []

    class Slow(nn.Module):
        def forward(self, x):
            for _ in range(100):
                calls.append(1)
                x = x + 1
            return x.flatten(1)[:, :2]

    context = RunContext(cancel=lambda: len(calls) >= 5)
    with pytest.raises(Cancelled):
        make.classifier(Slow(), inputs=INPUT).predict(constant(make, 1.0), context)
    assert len(calls) <= 6


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("too much"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_batch(make, error):
    class Hungry(nn.Module):
        def forward(self, x):
            if len(x) > 2:
                raise error
            return x.flatten(1)[:, :2]

    said = make.classifier(Hungry(), inputs=INPUT).predict(constant(make, 1.0, 2.0, 3.0, 4.0, 5.0), batch_size=5)
    np.testing.assert_array_equal(said.slice_logits[:, 0], [1, 2, 3, 4, 5])


def test_an_answer_that_is_no_number_is_an_error(make):
    with pytest.raises(UserError, match="NaN"):
        make.classifier(make.Mean(float("nan"), 1.0), inputs=INPUT).predict(constant(make, 1.0))


def test_an_unknown_target_and_slice_and_baseline_are_refused(make):
    model = make.classifier(make.Mean(1.0, 2.0), inputs=INPUT)
    image = constant(make, 1.0)
    with pytest.raises(UserError, match="leison") as caught:
        model.target("leison", model.predict(image))
    assert "'lesion'" in caught.value.hint
    with pytest.raises(UserError, match="slice 3"):
        model.prepare(image, [3])
    with pytest.raises(UserError, match="baseline"):
        model.baseline(model.prepare(image), "black")


def test_the_cards_target_goes_before_the_predicted_class(make):
    model = make.classifier(make.Mean(1.0, -1.0), inputs=INPUT, explain='target = "lesion"')
    said = model.predict(constant(make, 1.0))
    assert said.label == "normal"
    assert model.target(None, said).name == "lesion"


def test_key_slices_hold_the_deciding_one_and_stay_inside(make):
    model = make.classifier(make.Mean(-1.0, 1.0), inputs=INPUT)
    for count, deciding in ((3, 0), (20, 0), (64, 40), (64, 63)):
        levels = np.zeros(count)
        levels[deciding] = 5.0
        image = constant(make, *levels)
        chosen = model.default_slices(image, model.predict(image))
        assert deciding in chosen
        assert len(chosen) >= 3
        assert chosen == tuple(sorted(set(chosen)))
        assert chosen[0] >= 0
        assert chosen[-1] < count


CT = "{ step = 'window', center = 40, width = 400 }, { step = 'scale', to = [0, 1] }"
STEPS = {
    "none": ("", lambda v: v),
    "window and scale": (CT, lambda v: (np.clip(v, -160, 240) + 160) / 400),
    "scale from": ("{ step = 'scale', from = [0, 100], to = [-1, 1] }", lambda v: v / 50 - 1),
    "scale from the range of the encoding": ("{ step = 'scale' }", lambda v: (v + 1024) / 4095),
    "normalize": ("{ step = 'normalize', mean = 10, std = 4 }", lambda v: (v - 10) / 4),
    "clip": ("{ step = 'clip', low = -5, high = 50 }", lambda v: np.clip(v, -5, 50)),
    "percentile": ("{ step = 'percentile', low = 5, high = 90 }", lambda v: np.clip(v, *np.percentile(v, [5, 90]))),
    "zscore": ("{ step = 'zscore' }", lambda v: (v - v.mean()) / v.std()),
    "zscore of nonzero": (
        "{ step = 'zscore', of = 'nonzero' }",
        lambda v: np.where(v != 0, (v - v[v != 0].mean()) / v[v != 0].std(), 0),
    ),
    "minmax": ("{ step = 'minmax' }", lambda v: (v - v.min()) / (v.max() - v.min())),
    "minmax after clip": (
        "{ step = 'clip', low = 0, high = 60 }, { step = 'minmax' }, { step = 'zscore' }",
        lambda v: (np.clip(v, 0, 60) - np.clip(v, 0, 60).mean()) / np.clip(v, 0, 60).std(),
    ),
}


@pytest.mark.parametrize(("steps", "formula"), STEPS.values(), ids=STEPS.keys())
def test_intensity_steps_follow_their_formulas(make, steps, formula):
    values = np.random.default_rng(0).integers(-300, 300, (2, 8, 8)) * (np.arange(8) > 2)
    image = make.volume(values.astype(np.int16), value_range=(-1024.0, 3071.0))
    model = make.classifier(make.Mean(1.0), inputs=f'fit = "none"\nintensity = [{steps}]')
    np.testing.assert_allclose(model.prepare(image, [1]).inputs[0, 0], formula(values.astype(float))[1], atol=2e-4)


def test_the_minimum_baseline_is_the_darkest_value_after_the_steps(make):
    steps = "{ step = 'scale', from = [0, 255] }, { step = 'normalize', mean = [0.5, 0.4, 0.3], std = [0.1, 0.2, 0.5] }"
    model = make.classifier(make.Mean(1.0), inputs=f"size = [4, 4]\nchannels = 3\nintensity = [{steps}]")
    image = make.volume(np.full((1, 4, 4), 90, dtype=np.uint8), value_range=(0.0, 255.0))
    baseline = model.baseline(model.prepare(image))
    expected = torch.tensor([-5.0, -2.0, -0.6]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(baseline, expected)
    ct = make.classifier(make.Mean(1.0), inputs=f"size = [4, 4]\nintensity = [{CT}]")
    air = make.volume(np.array([[[-900.0, 100.0], [0.0, 300.0]]], dtype=np.float32))
    np.testing.assert_allclose(ct.baseline(ct.prepare(air)), np.zeros((1, 1, 4, 4)), atol=1e-6)


def test_the_input_range_is_what_the_ends_of_the_encoding_become(make):
    steps = "{ step = 'scale', from = [0, 255] }, { step = 'normalize', mean = [0.5, 0.4, 0.3], std = [0.1, 0.2, 0.5] }"
    model = make.classifier(make.Mean(1.0), inputs=f"size = [4, 4]\nchannels = 3\nintensity = [{steps}]")
    image = make.volume(np.full((2, 4, 4), 90, dtype=np.uint8), value_range=(0.0, 255.0))
    low, high = model.input_range(model.prepare(image))
    torch.testing.assert_close(low, torch.tensor([-5.0, -2.0, -0.6]).reshape(1, 3, 1, 1).expand(2, 3, 1, 1))
    torch.testing.assert_close(high, torch.tensor([5.0, 3.0, 1.4]).reshape(1, 3, 1, 1).expand(2, 3, 1, 1))


def test_the_input_range_holds_turned_scales_and_padding(make):
    turned = "{ step = 'scale', from = [0, 255], to = [1, 0] }"
    inputs = f'size = [8, 8]\nfit = "letterbox"\npad_value = -3.0\nintensity = [{turned}]'
    model = make.classifier(make.Mean(1.0), inputs=inputs)
    image = make.volume(np.full((1, 4, 8), 90, dtype=np.uint8), value_range=(0.0, 255.0))
    prepared = model.prepare(image)
    assert prepared.inputs.min() == -3.0
    low, high = model.input_range(prepared)
    assert (float(low), float(high)) == (-3.0, 1.0)


def test_the_other_baselines(make):
    model = make.classifier(make.Mean(1.0), inputs="size = [40, 40]", explain='baseline = "mean"')
    prepared = model.prepare(make.volume(np.random.default_rng(0).random((2, 40, 40), dtype=np.float32)))
    means = prepared.inputs.mean((2, 3), keepdim=True)
    torch.testing.assert_close(model.baseline(prepared), means.expand_as(prepared.inputs))
    assert not model.baseline(prepared, "zero").any()
    blurred = model.baseline(prepared, "blur")
    assert blurred.shape == prepared.inputs.shape
    assert blurred.std() < 0.3 * prepared.inputs.std()
    flat = model.prepare(make.volume(np.full((1, 40, 40), 3.0, dtype=np.float32)))
    torch.testing.assert_close(model.baseline(flat, "blur"), flat.inputs)


def test_blurring_is_gaussian(make):
    from scipy.ndimage import gaussian_filter

    array = np.random.default_rng(0).random((1, 40, 60), dtype=np.float32)
    model = make.classifier(make.Mean(1.0), inputs='fit = "none"')
    theirs = gaussian_filter(array[0], 4.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(model.baseline(model.prepare(make.volume(array)), "blur")[0, 0], theirs, atol=1e-5)


def test_colour_images_keep_their_channels_and_grey_ones_are_repeated(make):
    colour = np.random.default_rng(0).integers(0, 255, (1, 6, 6, 3), dtype=np.uint8)
    grey = colour.mean(-1).astype(np.float32)
    model = make.classifier(make.Mean(1.0), inputs='fit = "none"\nchannels = 3')
    seen = model.prepare(make.volume(grey, colour=colour)).inputs
    np.testing.assert_array_equal(seen[0], np.moveaxis(colour[0], -1, 0))
    repeated = model.prepare(make.volume(grey)).inputs
    np.testing.assert_array_equal(repeated[0], np.broadcast_to(grey, (3, 6, 6)))
    single = make.classifier(make.Mean(1.0), inputs='fit = "none"')
    np.testing.assert_array_equal(single.prepare(make.volume(grey, colour=colour)).inputs[0], grey)


def test_values_that_are_no_numbers_count_as_the_darkest(make):
    array = np.array([[[np.nan, 5.0], [np.inf, -3.0]]], dtype=np.float32)
    prepared = make.classifier(make.Mean(1.0), inputs='fit = "none"').prepare(make.volume(array))
    np.testing.assert_array_equal(prepared.inputs[0, 0], [[-3, 5], [-3, -3]])


def test_channels_last_networks_get_their_axes(make):
    class Last(nn.Module):
        def forward(self, x):
            return x[:, 0, 0, :]  # (sample, row, column, channel)

    model = make.classifier(
        Last(), inputs='fit = "none"\nchannels = 3\norder = "channels_last"', output='classes = ["r", "g", "b"]'
    )
    colour = np.random.default_rng(0).integers(0, 255, (1, 6, 6, 3), dtype=np.uint8)
    said = model.predict(make.volume(colour.mean(-1), colour=colour))
    np.testing.assert_array_equal(said.logits, colour[0, 0, 0])


LAYOUTS = {
    "2d": ("2d", 3, [9, 8], (5, 9, 8, 3)),
    "2.5d": ("2.5d", 5, [9, 8], (5, 9, 8, 5)),
    "3d": ("3d", 3, [4, 9, 8], (1, 4, 9, 8, 3)),
    "3d grey": ("3d", 1, [4, 9, 8], (1, 4, 9, 8, 1)),
}


@pytest.mark.parametrize(("layout", "channels", "size", "shape"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_reaches_the_network_and_comes_back_with_its_channels_last(make, layout, channels, size, shape):
    class Last(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)[:, :2]

    seen = []
    grey = np.random.default_rng(0).random((5, 9, 8), dtype=np.float32)
    inputs = f'layout = "{layout}"\nchannels = {channels}\nsize = {size}\nfit = "stretch"\norder = "channels_last"'
    model = make.classifier(Last(), inputs=inputs)
    model.predict(make.volume(grey), batch_size=10)
    assert tuple(seen[0].shape) == shape
    middle = seen[0].movedim(-1, 1).numpy()
    if layout != "2.5d":  # a grey image is the same in every channel
        np.testing.assert_array_equal(middle, np.broadcast_to(middle[:, :1], middle.shape))
    else:  # neighbouring slices, the outermost repeated
        np.testing.assert_array_equal(middle[0], grey[[0, 0, 0, 1, 2]])
        np.testing.assert_array_equal(middle[4], grey[[2, 3, 4, 4, 4]])
    prepared = model.prepare(make.volume(grey))
    back = model.project(prepared.inputs, prepared)
    assert back.shape == grey.shape
    assert np.isfinite(back).all()


def test_padding_has_its_value_after_the_intensity_steps(make):
    inputs = 'size = [4, 8]\npad_value = -7\nintensity = [{ step = "normalize", mean = 1, std = 2 }]'
    seen = make.classifier(make.Mean(1.0), inputs=inputs).prepare(make.volume(np.full((1, 4, 4), 5.0))).inputs
    assert seen[0, 0, 0].tolist() == [-7, -7, 2, 2, 2, 2, -7, -7]
