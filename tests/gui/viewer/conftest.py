from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QTimer
from PySide6.QtWidgets import QApplication
from shiboken6 import getCppPointer

from saliency_viewer.domain import AttributionMap, Provenance, Validity, Volume, Window
from saliency_viewer.gui.viewer import SliceView
from saliency_viewer.spatial import Geometry

Make = Callable[..., SliceView]


def _ramp_volume(shape: tuple[int, int, int] = (5, 7, 9), geometry: Geometry | None = None) -> Volume:
    """Every voxel has its own value, so a pixel on the screen tells which voxel it shows."""
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    return Volume(array, geometry or Geometry.from_spacing(shape), "CT", window=Window(array.size / 2, array.size))


def _made_map(geometry: Geometry, array: np.ndarray | None = None, one_sided: bool = False) -> AttributionMap:
    if array is None:
        array = np.random.default_rng(1).normal(size=geometry.shape).astype(np.float32)
    return AttributionMap(
        array, geometry, "gradient", "t", Validity("verified"), Provenance("gradient", {}, "t", 0), one_sided=one_sided
    )


def _viewport_point(view: SliceView, voxel: tuple[int, int, int]) -> QPointF:
    """Where a voxel's centre stands, worked out from the patient's directions and the picture's own size.

    Independent of the code under test: the picture fills the viewport in one direction (``fit``), and the
    letters at its edges say which way each array axis runs.
    """
    frame = view.frame
    assert frame is not None
    plane = frame.plane
    across, down = frame.shape[plane.right], frame.shape[plane.down]
    wide, high = across * frame.spacing[plane.right], down * frame.spacing[plane.down]
    scale = min(view.width() / wide, view.height() / high)
    x_share = (voxel[plane.right] + 0.5) / across
    y_share = (voxel[plane.down] + 0.5) / down
    x_share = 1 - x_share if plane.flip_right else x_share
    y_share = 1 - y_share if plane.flip_down else y_share
    return QPointF(
        view.width() / 2 + (x_share - 0.5) * wide * scale, view.height() / 2 + (y_share - 0.5) * high * scale
    )


@pytest.fixture
def make_view(qtbot) -> Make:
    def make(volume: Volume | None = None, axis: int = 0, size: tuple[int, int] = (420, 360)) -> SliceView:
        view = SliceView()
        qtbot.addWidget(view)
        view.resize(*size)
        with qtbot.waitExposed(view):
            view.show()
        if volume is not None:
            view.set_volume(volume, axis)
        return view

    return make


@pytest.fixture(autouse=True)
def no_timer_left(qapp: QApplication):
    """A view leaves no timer behind; those of windows that other tests had open are none of its business."""
    before = _active_timers(qapp)
    yield
    assert not _active_timers(qapp) - before


def _active_timers(qapp: QApplication) -> set[int]:
    """Addresses of the timers that run."""
    timers = [timer for top in qapp.topLevelWidgets() for timer in top.findChildren(QTimer)]
    return {getCppPointer(timer)[0] for timer in timers if timer.isActive()}


@pytest.fixture
def ramp_volume():
    return _ramp_volume


@pytest.fixture
def made_map():
    return _made_map


@pytest.fixture
def viewport_point():
    return _viewport_point
