"""Any card that can be written reads back as itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.domain import ExplainSpec, Fold, InputSpec, ModelCard, OutputSpec
from saliency_viewer.models import card_to_toml, parse_card

TEXTS = st.text(min_size=1, max_size=12).filter(str.strip)
NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
POSITIVE = st.floats(1e-3, 1e3)


def some(**keys):
    """A table with any part of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def step(name, required=None, **optional):
    return st.fixed_dictionaries({"step": st.just(name), **(required or {})}, optional=optional)


PAIR = st.tuples(NUMBERS, POSITIVE).map(lambda ends: [ends[0], ends[0] + 1 + ends[1]])
OF = {"of": st.sampled_from(("all", "nonzero", "foreground", "above_mean"))}
INTENSITY = st.one_of(
    step("window", {"center": NUMBERS, "width": POSITIVE}),
    step("scale", **{"from": PAIR, "to": PAIR}),
    step("normalize", {"mean": NUMBERS, "std": POSITIVE}),
    step("percentile", low=st.floats(0, 40), high=st.floats(60, 100), **OF),
    step("zscore", outside=st.sampled_from(("zero", "same")), **OF),
    step("zscore", {"above": NUMBERS}),
    step("minmax", to=PAIR),
    step("gamma", {"gamma": POSITIVE}),
    step("invert"),
    step("equalize", bins=st.integers(2, 512)),
)
BY_SLICE = st.one_of(step("zscore", {"per": st.just("slice")}), step("clahe", clip=st.floats(0, 40)))


@st.composite
def inputs(draw):
    layout = draw(st.sampled_from(("2d", "2.5d", "3d")))
    axes = 3 if layout == "3d" else 2
    channels = draw(st.sampled_from((1, 3)))
    sizes = st.lists(st.integers(1, 512), min_size=axes, max_size=axes)
    spacing = st.lists(POSITIVE, min_size=axes, max_size=axes)
    spatial = st.one_of(
        step("resize", {"to": sizes}, interpolation=st.sampled_from(("area", "cubic"))),
        step("resize", {"shorter": st.integers(1, 512)}),
        step("spacing", {"to": spacing}, keep=st.sampled_from(("edges", "centres"))),
        step("pad", {"by": st.lists(st.integers(0, 9), min_size=axes, max_size=axes)}),
        step("foreground", margin=st.integers(0, 9), above=NUMBERS),
    )
    listed = tuple(draw(st.lists(spatial, max_size=3)))
    fit = "none" if listed else draw(st.sampled_from(("letterbox", "crop", "pad", "stretch", "none")))
    whole = draw(st.lists(INTENSITY, max_size=3))
    return InputSpec(
        layout=layout,
        channels=channels,
        size=tuple(draw(sizes)),
        fit=fit,
        resize=draw(st.none() | st.integers(1, 512) | sizes.map(tuple)) if fit == "crop" else None,
        interpolation=draw(st.sampled_from(("linear", "cubic", "nearest", "area"))),
        antialias=draw(st.booleans()),
        pad_value=draw(NUMBERS),
        order=draw(st.sampled_from(("channels_first", "channels_last"))),
        spacing=() if listed else tuple(draw(st.just([]) | spacing)),
        orientation=draw(st.sampled_from(("", "RAS", "LPS", "ARI"))),
        intensity=tuple(whole),
        spatial=listed,
        intensity_after=tuple(draw(st.lists(BY_SLICE, max_size=2))),
        colour=draw(st.sampled_from(("", "grey", "colour") if channels == 3 and layout != "2.5d" else ("", "grey"))),
    )


@st.composite
def cards(draw):
    classes = tuple(draw(st.just([]) | st.lists(TEXTS, min_size=2, max_size=4, unique=True)))
    ranges = st.just(()) | st.tuples(POSITIVE, POSITIVE).map(lambda ends: (ends[0], ends[0] + ends[1]))
    names = draw(st.just([]) | st.lists(TEXTS.filter("mean".__ne__), min_size=2, max_size=4, unique=True))
    folds = tuple(Fold(name, f"fold{k}.safetensors") for k, name in enumerate(names))
    return ModelCard(
        name=draw(TEXTS),
        version=draw(TEXTS),
        architecture=draw(TEXTS),
        weights=folds[0].weights if folds else draw(TEXTS),
        output=OutputSpec(classes, draw(st.sampled_from(("softmax", "sigmoid", "none")))),
        input=draw(inputs()),
        explain=ExplainSpec(draw(st.none() | TEXTS), draw(st.sampled_from(classes)) if classes else None),
        arguments=draw(some(num_classes=st.integers(1, 9), name=TEXTS, deep=some(flag=st.booleans()))),
        modality=tuple(draw(st.lists(TEXTS, max_size=2))),
        pixel_spacing=draw(ranges),
        slice_spacing=draw(ranges),
        slices=draw(ranges),
        folds=folds,
        held_out=draw(st.sampled_from(("", "folds.csv"))) if folds else "",
        training_cases=draw(st.sampled_from(("", "training.csv"))),
    )


@settings(max_examples=200, deadline=None)
@given(card=cards())
def test_any_card_reads_back_as_itself(card):
    assert parse_card(card_to_toml(card)) == card
