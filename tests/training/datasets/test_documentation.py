"""The page on training data must stay what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from saliency_viewer.spatial import mask_runs
from saliency_viewer.training.datasets import DATA_SETS, load_data, split, summary

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "training-data.md").read_text(encoding="utf-8")


def test_the_run_lengths_on_the_page_are_those_of_the_pixels_beside_them():
    rows = re.findall(r"\| (?:\d[\d, to]*) \| `[\d ]+` \|", PAGE)
    assert len(rows) == 3
    for row in rows:
        pixels, text = (cell.strip(" `") for cell in row.strip("|").split("|"))
        flat = np.zeros(12, dtype=bool)
        flat[[int(word) for word in pixels.split(",")] if "," in pixels else slice(0, 12)] = True
        assert mask_runs(flat.reshape(4, 3).T) == text


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda one: one.name)
def test_every_layout_is_named(data_set):
    assert data_set.name in re.search(r"--dataset (\S+)", PAGE)[1].split("|")


def test_the_example_runs_and_says_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
    values = {}
    exec(example.replace("pixels=128", "pixels=48"), values)
    assert f"# {summary(values['data'])}\n" in example
    assert values["sides"] == split(load_data(values["plan"]), values["plan"].settings)
