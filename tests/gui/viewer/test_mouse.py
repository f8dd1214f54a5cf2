from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from saliency_viewer.domain import Volume, Window
from saliency_viewer.render import to_grey
from saliency_viewer.spatial import Geometry

SHAPE = (5, 7, 9)
LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton


def affine(columns: list[tuple[float, float, float]]) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3] = np.array(columns).T
    made[:3, 3] = (12, -40, 99)
    return made


AFFINES = {
    "axial as acquired": affine([(0, 0, 3), (0, 1, 0), (1, 0, 0)]),
    "flipped all ways": affine([(0, 0, -3), (0, -1, 0), (-1, 0, 0)]),
    "coronal": affine([(0, 2, 0), (0, 0, -1), (1, 0, 0)]),
    "sagittal": affine([(2, 0, 0), (0, 0, -1), (0, 1, 0)]),
    "axes swapped": affine([(1, 0, 0), (0, 0, 1.5), (0, -2, 0)]),
    "oblique": affine([(0.5, 0.6, 2.8), (0.1, 0.97, -0.2), (-0.96, 0.05, 0.2)]),
}


def wheel(view, angle: int = 0, pixels: int = 0, modifiers=Qt.KeyboardModifier.NoModifier, at: QPointF | None = None):
    where = at or QPointF(view.rect().center())
    event = QWheelEvent(
        where,
        view.mapToGlobal(where),
        QPoint(0, pixels),
        QPoint(0, angle),
        LEFT & RIGHT,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def drag(view, button, start: QPoint, *stops: QPoint):
    QTest.mousePress(view, button, pos=start)
    for stop in stops:
        QTest.mouseMove(view, stop)
        # QTest moves without buttons in offscreen; the held button is the viewport's own memory.
    QTest.mouseRelease(view, button, pos=stops[-1])


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("radiological", [True, False])
def test_a_click_on_a_voxel_of_any_orientation_names_that_voxel(make_view, viewport_point, name, axis, radiological):
    geometry = Geometry(SHAPE, AFFINES[name])
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry), axis)
    view.set_radiological(radiological)
    view.set_tool("probe")
    seen = []
    view.crosshair_requested.connect(seen.append)
    wanted = []
    for voxel in ((0, 0, 0), (4, 6, 8), (1, 5, 2), (3, 1, 7)):
        view.set_slice(voxel[axis])
        QTest.mouseClick(view, LEFT, pos=viewport_point(view, voxel).toPoint())
        wanted.append(voxel)
    assert seen == wanted


def test_the_patient_right_side_is_on_the_left_of_an_axial_picture(make_view):
    geometry = Geometry(SHAPE, AFFINES["flipped all ways"])
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry))
    rect = view.rect()
    left = geometry.to_patient(view.voxel(QPointF(rect.center().x() - 40, rect.center().y())))
    right = geometry.to_patient(view.voxel(QPointF(rect.center().x() + 40, rect.center().y())))
    assert left[0] < right[0]  # LPS: x grows to the patient's left


def test_moving_the_mouse_reports_each_voxel_once_and_none_outside(make_view, ramp_volume, viewport_point):
    view = make_view(ramp_volume(), size=(500, 300))
    seen = []
    view.probed.connect(seen.append)
    inside = viewport_point(view, (2, 3, 4)).toPoint()
    QTest.mouseMove(view, inside)
    QTest.mouseMove(view, inside + QPoint(1, 1))
    QTest.mouseMove(view, QPoint(view.width() // 2, 1))
    QTest.mouseMove(view, viewport_point(view, (2, 0, 0)).toPoint())
    assert seen[0] == (2, 3, 4)
    assert seen.count((2, 3, 4)) == 1
    assert seen[-1] == (2, 0, 0)
    view.set_slice(4)
    assert seen[-1] == (4, 0, 0)
    QTest.mouseMove(view, QPoint(1, view.height() // 2))
    assert view.voxel(QPointF(1, view.height() / 2)) is None
    assert seen[-1] is None


def test_leaving_the_viewport_reports_none(make_view, ramp_volume, viewport_point):
    from PySide6.QtCore import QEvent

    view = make_view(ramp_volume())
    seen = []
    view.probed.connect(seen.append)
    QTest.mouseMove(view, viewport_point(view, (2, 3, 4)).toPoint())
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert seen == [(2, 3, 4), None]


def test_the_wheel_asks_for_the_next_slice_and_stops_at_the_ends(make_view, ramp_volume):
    view = make_view(ramp_volume(), axis=1)
    asked = []
    view.slice_requested.connect(lambda axis, index: asked.append((axis, index)))
    wheel(view, angle=-120)
    assert asked == [(1, 4)]
    assert view.slice_index == 3  # only asked for
    view.set_slice(6)
    wheel(view, angle=-120)
    assert asked == [(1, 4)]
    wheel(view, angle=240)
    assert asked[-1] == (1, 4)


def test_small_touchpad_movements_add_up_to_slices(make_view, ramp_volume):
    view = make_view(ramp_volume())
    asked = []
    view.slice_requested.connect(lambda _, index: (asked.append(index), view.set_slice(index)))
    for _ in range(9):
        wheel(view, pixels=-10)
    assert asked == [3, 4]  # 90 points are three slices, and the last one is the end
    for _ in range(3):
        wheel(view, pixels=10)
    assert asked == [3, 4, 3]  # turning back counts from zero


def test_ctrl_wheel_zooms_at_the_cursor_and_asks_for_no_slice(make_view, ramp_volume, viewport_point):
    view = make_view(ramp_volume())
    asked = []
    view.slice_requested.connect(lambda *_: asked.append(_))
    at = viewport_point(view, (2, 1, 2))
    before = view.to_index(at)
    wheel(view, angle=360, modifiers=Qt.KeyboardModifier.ControlModifier, at=at)
    assert view.zoom == pytest.approx(1.15**3)
    assert view.to_index(at) == pytest.approx(before)
    assert not asked


def test_the_wheel_zooms_where_there_is_one_slice_and_a_double_click_fits(make_view, ramp_volume):
    view = make_view(ramp_volume((1, 40, 30)))
    wheel(view, angle=120)
    assert view.zoom == pytest.approx(1.15)
    QTest.mouseDClick(view, LEFT, pos=view.rect().center())
    assert view.zoom == 1.0


@pytest.mark.parametrize(("button", "tool"), [(LEFT, "window"), (RIGHT, "probe"), (RIGHT, "brush")])
def test_dragging_asks_for_a_window_in_proportion_to_the_width(make_view, ramp_volume, button, tool):
    view = make_view(ramp_volume())
    view.set_window(Window(40.0, 400.0))
    view.set_tool(tool)
    asked = []
    view.window_requested.connect(asked.append)
    drag(view, button, QPoint(100, 100), QPoint(150, 90), QPoint(164, 132))
    assert asked[-1].width == pytest.approx(400 * math.exp(64 / 256))
    assert asked[-1].centre == pytest.approx(40 + 400 * 32 / 256)
    assert view.window_shown == Window(40.0, 400.0)  # only asked for


def test_the_window_of_whole_numbers_never_gets_narrower_than_one(make_view, ramp_volume):
    view = make_view(ramp_volume())
    view.set_window(Window(40.0, 2.0))
    asked = []
    view.window_requested.connect(asked.append)
    drag(view, RIGHT, QPoint(400, 100), QPoint(0, 100))
    assert asked[-1].width == 1.0


@pytest.mark.parametrize(("button", "tool"), [(LEFT, "pan"), (MIDDLE, "window"), (MIDDLE, "polygon")])
def test_pan_drags_the_picture(make_view, ramp_volume, button, tool):
    view = make_view(ramp_volume())
    view.set_tool(tool)
    before = view.to_viewport((3.0, 4.0))
    drag(view, button, QPoint(100, 100), QPoint(120, 110), QPoint(130, 85))
    moved = view.to_viewport((3.0, 4.0)) - before
    assert (moved.x(), moved.y()) == pytest.approx((30, -15))


def test_a_second_button_does_not_disturb_a_gesture(make_view, ramp_volume):
    view = make_view(ramp_volume())
    view.set_tool("brush")
    strokes, windows = [], []
    view.stroke_finished.connect(strokes.append)
    view.window_requested.connect(windows.append)
    QTest.mousePress(view, LEFT, pos=QPoint(100, 100))
    QTest.mousePress(view, RIGHT, pos=QPoint(100, 100))
    QTest.mouseMove(view, QPoint(140, 100))
    QTest.mouseRelease(view, RIGHT, pos=QPoint(140, 100))
    QTest.mouseRelease(view, LEFT, pos=QPoint(140, 100))
    assert len(strokes) == 1
    assert not windows


def test_the_arrow_keys_ask_for_slices(make_view, ramp_volume):
    view = make_view(ramp_volume((30, 7, 9)))
    asked = []
    view.slice_requested.connect(lambda _, index: asked.append(index))
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
        QTest.keyClick(view, key)
    assert asked == [16, 14, 25, 5]


def test_pressing_makes_the_viewport_the_active_one_even_when_empty(make_view):
    view = make_view()
    asked = []
    view.activated.connect(lambda: asked.append(True))
    QTest.mouseClick(view, LEFT, pos=QPoint(50, 50))
    wheel(view, angle=120)
    QTest.mouseMove(view, QPoint(60, 60))
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert asked
    assert view.frame is None


def test_an_unknown_tool_is_refused(make_view):
    with pytest.raises(ValueError, match="unknown tool"):
        make_view().set_tool("lasso")


def test_pinching_a_touchpad_zooms_at_the_fingers(make_view, ramp_volume, viewport_point):
    view = make_view(ramp_volume())
    at = viewport_point(view, (2, 2, 3))
    before = view.to_index(at)
    pinch = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        at,
        at,
        view.mapToGlobal(at),
        0.25,
        QPointF(),
    )
    QApplication.sendEvent(view, pinch)
    assert view.zoom == pytest.approx(1.25)
    assert view.to_index(at) == pytest.approx(before)


def test_a_press_after_a_lost_release_begins_anew(make_view, ramp_volume):
    view = make_view(ramp_volume())
    view.set_tool("brush")
    strokes = []
    view.stroke_finished.connect(strokes.append)
    QTest.mousePress(view, RIGHT, pos=QPoint(100, 100))
    event = QMouseEvent(
        QMouseEvent.Type.MouseButtonPress,
        QPointF(120, 120),
        view.mapToGlobal(QPointF(120, 120)),
        LEFT,
        LEFT,  # the right button is up again, though nobody said so
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(view, event)
    QTest.mouseRelease(view, LEFT, pos=QPoint(130, 120))
    assert len(strokes) == 1


@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID", "TABLE"])
def test_dragging_stretches_the_curve_or_table_of_a_file(make_view, ramp_volume, function):
    table = bytes(range(255, -1, -1)) if function == "TABLE" else b""
    window = Window(40.0, 400.0, function, "SOFT", table)
    view = make_view(ramp_volume())
    view.set_window(window)
    asked = []
    view.window_requested.connect(asked.append)
    drag(view, RIGHT, QPoint(100, 100), QPoint(164, 132), QPoint(100, 100))
    moved, back = asked
    assert (moved.function, moved.table, moved.name) == (function, table, "")
    assert moved.width == pytest.approx(400 * math.exp(64 / 256))
    assert moved.centre == pytest.approx(40 + 400 * 32 / 256)
    # A value at the same part of the width keeps its grey.
    share = np.array([[-0.4, -0.1, 0.05, 0.3]])
    greys = [to_grey(w.centre + share * w.width, w).astype(int) for w in (window, moved)]
    assert np.abs(greys[0] - greys[1]).max() <= 1
    assert (back, back.name) == (window, "SOFT")
