"""Cards that leave the classes out: they get the names of their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import OutputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models import card_to_toml, check_package, load_package, parse_card, write_package

IMAGE = np.full((1, 16, 16), 0.5, dtype=np.float32)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_they_are_counted_from_0_once_the_outputs_are_known(make, activation):
    model = make.classifier(make.Mean(0.1, 0.3, 0.2), output=f'activation = "{activation}"')
    said = model.predict(make.volume(IMAGE))
    assert said.classes == model.card.output.classes == ("class 0", "class 1", "class 2")
    assert said.label == "class 1"
    assert model.target("class 2", said).index == 2


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_one_output_tells_two_classes_apart(make, activation):
    model = make.classifier(make.Mean(2.0), output=f'activation = "{activation}"')
    said = model.predict(make.volume(IMAGE))
    np.testing.assert_allclose(said.logits, [-1, 1])
    assert said.label == "class 1"
    assert model.target("class 0", said).sign == -1


def test_slices_of_unnamed_classes_become_one_answer(make):
    model = make.classifier(make.Mean(-1.0, 1.0), output='aggregate = "max"')
    volume = make.volume(np.stack([np.full((16, 16), level, np.float32) for level in (0.1, 0.9, 0.4)]))
    assert model.predict(volume).slice_index == 1


def test_a_target_that_is_not_among_them_is_named_when_they_are_known(make):
    text = make.card_text(output="", explain='target = "class 1"')
    assert parse_card(text).output == OutputSpec()
    model = make.classifier(make.Mean(1.0, 2.0), output="", explain='target = "class 1"')
    assert model.target(None, model.predict(make.volume(IMAGE))).name == "class 1"
    other = make.classifier(make.Mean(1.0, 2.0), output="", explain='target = "lesion"')
    with pytest.raises(UserError, match="no class 'lesion'"):
        other.predict(make.volume(IMAGE))


def test_a_package_is_written_and_checked_without_names(make, tmp_path):
    import torch

    from saliency_viewer.models.builtin import SmallCNN

    torch.manual_seed(0)
    text = make.card_text(
        model='name = "t"\narchitecture = "builtin:small-cnn-2d"\narguments = { num_classes = 4, width = 4 }', output=""
    )
    write_package(tmp_path / "p", text, SmallCNN(2, num_classes=4, width=4).state_dict())
    assert any("class 0, class 1, class 2, class 3" in line for line in check_package(tmp_path / "p"))
    assert load_package(tmp_path / "p").card.output.classes[3] == "class 3"
    card = parse_card(text)
    assert parse_card(card_to_toml(card)) == card
