"""What the panels tell of an ensemble's fold, and of classes whose names the card leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QLabel

from saliency_viewer.domain import AnalysisPlan, ImageReference, OutputSpec

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

PLAN = AnalysisPlan(ImageReference("nowhere"), "package", ())


def told(window) -> list[str]:
    return [label.text() for label in window.model.findChildren(QLabel) if not label.isHidden()]


@pytest.mark.parametrize("fold", ["", "2"])
def test_the_version_tells_the_fold(opened, make_result, fold):
    case = opened.state.case
    opened.state.set_result(case, PLAN, replace(make_result(), fold=fold))
    tips = [label.toolTip() for label in opened.model.findChildren(QLabel) if "Architecture" in label.toolTip()]
    assert [tip.endswith("; fold 2") for tip in tips] == [fold == "2"]


def test_a_training_case_is_told(opened, make_result):
    warning = "This case was among those that the model was trained on."
    opened.state.set_result(opened.state.case, PLAN, replace(make_result(), warnings=(warning,), is_training_case=True))
    assert any(warning in text for text in told(opened))


def test_everything_in_which_a_study_is_of_another_kind_is_told_before_it_is_explained(opened, card):
    opened.state.set_model("package", replace(card, modality=("DX",), slices=(100.0, 200.0)))
    assert any("modality DX" in text and "100 to 200 slices" in text for text in told(opened))


def test_classes_without_names_can_be_chosen_once_the_model_has_answered(opened, make_result, card):
    combo = opened.methods._target
    opened.state.set_model("package", replace(card, output=OutputSpec()))
    assert [combo.itemText(k) for k in range(combo.count())] == ["predicted class"]
    opened.state.set_result(opened.state.case, PLAN, make_result())
    opened.state.set_result(opened.state.case, PLAN, make_result())
    assert [combo.itemText(k) for k in range(combo.count())] == ["predicted class", "well", "sick"]
    opened.state.set_model("package", card)
    assert [combo.itemText(k) for k in range(combo.count())] == ["predicted class", "well", "sick"]


def test_a_training_case_is_still_told_when_a_session_is_opened_again(make_result, volume, card):
    from saliency_viewer.gui.restoring import _result
    from saliency_viewer.session import Document

    result = make_result()
    made = replace(result.maps[0].provenance, fold="1", is_training_case=True)
    maps = (replace(result.maps[0], provenance=made),)
    document = Document(prediction=result.prediction, maps=maps)
    found = _result(document, volume, card, "cd" * 32)
    assert (found.fold, found.is_training_case) == ("1", True)
    assert "fold 1 was trained on" in found.warnings[0]
    ordinary = _result(Document(prediction=result.prediction, maps=result.maps), volume, card, "cd" * 32)
    assert (ordinary.fold, ordinary.is_training_case, ordinary.warnings) == ("", False, ())
