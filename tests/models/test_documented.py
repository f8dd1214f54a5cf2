"""The page on model packages names every step, and its examples are cards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from saliency_viewer.models import parse_card
from saliency_viewer.models.intensity_steps import STEPS
from saliency_viewer.models.spatial_steps import INTERPOLATIONS, SPATIAL_STEPS

PAGE = (Path(__file__).parents[2] / "docs" / "model-packages.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(step.name for step in (*STEPS, *SPATIAL_STEPS)), *INTERPOLATIONS])
def test_it_is_on_the_page(name):
    assert f"`{name}`" in PAGE


def test_the_examples_are_cards():
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 2
    for block in blocks:
        card = parse_card(block if "[input]" in block else block + '\n[input]\nfit = "none"\n')
        assert card.name.startswith("Pneumonia")
