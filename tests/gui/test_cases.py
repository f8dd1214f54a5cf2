"""Several cases in one window: what was asked for one never lands on another, and none is forgotten."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from saliency_viewer.domain import ImageReference, Region, RegionSet, Volume
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.spatial import Geometry

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)
SHAPE = (6, 20, 18)


def stroke(index: int = 2) -> Stroke:
    return Stroke("polygon", 0, index, np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]]), 2.0)


def regions_on(geometry: Geometry, name: str = "lesion", *warnings: str) -> RegionSet:
    mask = np.zeros(geometry.shape, dtype=bool)
    mask[1:3, 4:9, 5:8] = True
    return RegionSet(geometry, (Region.from_mask(name, "#E69F00", mask),), warnings)


@pytest.fixture
def two(opened):
    """The window with a second case, on a grid of the same shape and another place; the first is shown."""
    array = np.random.default_rng(8).integers(0, 900, SHAPE).astype(np.int16)
    other = Volume(array, Geometry.from_spacing(SHAPE, (5.0, 2.0, 2.0), "patient"), "CT")
    opened.state.add_cases([Case(ImageReference("elsewhere"), None, "Case 2", other, "ef" * 32)])
    opened.first, opened.second = opened.state.cases
    return opened


def test_a_mask_that_arrives_late_belongs_to_the_image_it_was_asked_for(qtbot, two, monkeypatch) -> None:
    go = threading.Event()

    def slow(_path, geometry):
        go.wait(20)
        return regions_on(geometry)

    monkeypatch.setattr("saliency_viewer.readers.load_regions", slow)
    two.intents.import_regions.emit("mask.nii.gz")
    two.intents.show_case.emit(1)
    go.set()
    qtbot.waitUntil(lambda: not two.pool.busy, timeout=20000)
    assert two.second.regions is None
    assert two.first.regions.names == ("lesion",)
    assert two.first.regions.geometry.same_as(two.first.volume.geometry)
    assert (two.first.view.region, two.second.view.region) == ("lesion", None)


def test_regions_of_another_grid_are_refused(two) -> None:
    two.editing.put(two.second, regions_on(two.first.volume.geometry))
    assert not len(two.second.regions or ())
    (dialog,) = two.findChildren(MessageDialog)
    assert "another image" in dialog.message.text()
    dialog.close()
