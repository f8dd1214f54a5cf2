from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest

from saliency_viewer.domain import Region, RegionSet, Volume, Window
from saliency_viewer.regions import brush_mask
from saliency_viewer.spatial import Geometry, polygon_mask

LEFT = Qt.MouseButton.LeftButton
SHAPE = (6, 24, 30)


def flipped_geometry(shape=SHAPE) -> Geometry:
    """Columns run to the right, rows to anterior: both edges of the picture are turned round."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 3.0, -1.0, -0.5, 1.0
    return Geometry(shape, affine)


@pytest.fixture
def drawn(make_view):
    def make(tool: str, axis: int = 0, geometry: Geometry | None = None):
        volume = Volume(np.zeros(SHAPE, np.int16), geometry or flipped_geometry(), window=Window(1000, 100))
        view = make_view(volume, axis, (640, 620))
        view.set_tool(tool)
        strokes = []
        view.stroke_finished.connect(strokes.append)
        return view, strokes

    return make


def at(view, viewport_point, axis: int, index: int, point: tuple[int, int]) -> QPoint:
    rest = [k for k in range(3) if k != axis]
    voxel = [index] * 3
    voxel[rest[0]], voxel[rest[1]] = point
    return viewport_point(view, tuple(voxel)).toPoint()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_polygon_vertices_are_array_indices_in_rising_axis_order(drawn, viewport_point, axis):
    view, strokes = drawn("polygon", axis)
    view.set_slice(4)
    corners = [(1, 2), (1, 5), (4, 5), (4, 2)]
    for corner in corners:
        QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, axis, 4, corner))
    QTest.keyClick(view, Qt.Key.Key_Return)
    (stroke,) = strokes
    assert (stroke.tool, stroke.axis, stroke.index, stroke.radius_mm) == ("polygon", axis, 4, 0.0)
    # A click hits a whole pixel of the screen, which is a fraction of a voxel.
    np.testing.assert_allclose(stroke.points, corners, atol=0.08)
    rest = [SHAPE[k] for k in range(3) if k != axis]
    drawn_mask = polygon_mask(stroke.points, tuple(rest))
    assert drawn_mask[2:4, 3:5].all()
    assert drawn_mask.sum() <= 16


def test_a_polygon_closes_on_its_first_vertex_and_by_double_click(drawn, viewport_point):
    view, strokes = drawn("polygon")
    places = [at(view, viewport_point, 0, 3, corner) for corner in ((2, 2), (2, 20), (18, 20))]
    for place in [*places, places[0] + QPoint(3, -2)]:
        QTest.mouseClick(view, LEFT, pos=place)
    assert len(strokes) == 1
    assert len(strokes[0].points) == 3
    for place in places[:2]:
        QTest.mouseClick(view, LEFT, pos=place)
    QTest.mouseClick(view, LEFT, pos=places[2])
    QTest.mouseDClick(view, LEFT, pos=places[2])
    assert len(strokes) == 2
    np.testing.assert_allclose(strokes[1].points, strokes[0].points)
    assert view.zoom == 1.0


def test_backspace_takes_a_vertex_back_and_escape_drops_the_outline(drawn, viewport_point):
    view, strokes = drawn("polygon")
    for corner in ((2, 2), (2, 20), (18, 20), (10, 25)):
        QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, corner))
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    QTest.keyClick(view, Qt.Key.Key_Enter)
    assert len(strokes[0].points) == 3
    for corner in ((2, 2), (2, 20), (18, 20)):
        QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, corner))
    QTest.keyClick(view, Qt.Key.Key_Escape)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert len(strokes) == 1


def test_two_vertices_enclose_nothing_and_stay_open(drawn, viewport_point):
    view, strokes = drawn("polygon")
    for corner in ((2, 2), (2, 20)):
        QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, corner))
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert not strokes
    QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, (18, 20)))
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert len(strokes[0].points) == 3


def test_a_freehand_loop_finishes_where_it_began(drawn):
    view, strokes = drawn("polygon")
    angles = np.linspace(0, 2 * np.pi, 60)
    loop = [QPoint(round(320 + 120 * np.cos(a)), round(310 + 120 * np.sin(a))) for a in angles]
    QTest.mousePress(view, LEFT, pos=loop[0])
    for place in loop[1:]:
        QTest.mouseMove(view, place)
    QTest.mouseRelease(view, LEFT, pos=loop[-1])
    (stroke,) = strokes
    assert len(stroke.points) > 40
    centre = view.to_index(QPointF(320, 310))
    spacing = np.array([1.0, 0.5])
    distance = np.linalg.norm((stroke.points - centre) * spacing, axis=1) * view.points_per_mm
    np.testing.assert_allclose(distance, 120, atol=1.5)


def test_an_open_outline_holds_its_slice(drawn, viewport_point):
    view, strokes = drawn("polygon")
    asked = []
    view.slice_requested.connect(lambda *_: asked.append(_))
    QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, (2, 2)))
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert not asked
    view.set_slice(1)  # from elsewhere: the outline cannot go along
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert len(asked) == 1
    assert not strokes


def test_brush_strokes_cover_the_voxels_under_the_mouse(drawn, viewport_point):
    view, strokes = drawn("brush")
    view.set_brush_radius(1.2)
    QTest.mousePress(view, LEFT, pos=at(view, viewport_point, 0, 3, (12, 4)))
    QTest.mouseMove(view, at(view, viewport_point, 0, 3, (12, 24)))
    QTest.mouseRelease(view, LEFT, pos=at(view, viewport_point, 0, 3, (12, 24)))
    (stroke,) = strokes
    assert (stroke.tool, stroke.axis, stroke.index, stroke.radius_mm) == ("brush", 0, 3, 1.2)
    np.testing.assert_allclose(stroke.points, [(12, 4), (12, 24)], atol=0.08)
    mask = brush_mask(stroke.points, stroke.radius_mm, (1.0, 0.5), SHAPE[1:])
    assert mask[11:14, 5:24].all()
    assert not mask[:10].any()
    assert not mask[15:].any()


def test_two_quick_dabs_of_the_eraser_are_two_strokes(drawn):
    view, strokes = drawn("erase")
    QTest.mouseClick(view, LEFT, pos=QPoint(300, 300))
    QTest.mouseDClick(view, LEFT, pos=QPoint(300, 300))
    QTest.mouseRelease(view, LEFT, pos=QPoint(300, 300))
    assert [stroke.tool for stroke in strokes] == ["erase", "erase"]
    assert all(len(stroke.points) == 1 for stroke in strokes)
    assert view.zoom == 1.0


def test_escape_drops_a_brush_stroke(drawn):
    view, strokes = drawn("brush")
    QTest.mousePress(view, LEFT, pos=QPoint(300, 300))
    QTest.keyClick(view, Qt.Key.Key_Escape)
    QTest.mouseRelease(view, LEFT, pos=QPoint(320, 300))
    assert not strokes


def test_brackets_ask_for_another_radius_before_any_shortcut(drawn, qtbot):
    view, _ = drawn("brush")
    taken = []
    shortcut = QShortcut(QKeySequence("["), view)
    shortcut.activated.connect(lambda: taken.append(True))
    asked = []
    view.brush_radius_requested.connect(asked.append)
    view.set_brush_radius(4.0)
    QTest.keyClick(view, Qt.Key.Key_BracketRight)
    QTest.keyClick(view, Qt.Key.Key_BracketLeft)
    assert asked == pytest.approx([4.6, 4 / 1.15])
    assert view.brush_radius == 4.0
    assert not taken


def test_the_brush_disc_has_its_radius_in_millimetres_on_the_screen(drawn):
    view, _ = drawn("brush")
    view.set_brush_radius(3.0)
    QTest.mouseMove(view, QPoint(320, 310))
    with_disc = grab_grey(view)
    view.set_tool("pan")
    bright = np.argwhere(with_disc - grab_grey(view) > 60)
    radius = np.hypot(*(bright - (310, 320)).T)
    assert np.median(radius) == pytest.approx(3.0 * view.points_per_mm, abs=1.5)


def test_the_stroke_preview_covers_what_the_mask_will_cover(drawn, viewport_point):
    view, strokes = drawn("brush")
    view.set_brush_radius(2.0)
    plain = grab_grey(view)
    QTest.mousePress(view, LEFT, pos=at(view, viewport_point, 0, 3, (8, 6)))
    QTest.mouseMove(view, at(view, viewport_point, 0, 3, (14, 22)))
    preview = np.abs(grab_grey(view) - plain) > 15
    QTest.mouseRelease(view, LEFT, pos=at(view, viewport_point, 0, 3, (14, 22)))
    mask, inner, outer = (brush_mask(strokes[0].points, r, (1.0, 0.5), SHAPE[1:]) for r in (2.0, 1.8, 2.2))
    for row, column in np.ndindex(mask.shape):
        place = viewport_point(view, (3, row, column)).toPoint()
        clear = inner[row, column] == outer[row, column]
        if clear and 40 < place.y() < 580:  # words stand above and below
            assert preview[place.y(), place.x()] == mask[row, column], (row, column)


def test_changing_the_tool_drops_what_was_half_drawn(drawn, viewport_point):
    view, strokes = drawn("polygon")
    for corner in ((2, 2), (2, 20), (18, 20)):
        QTest.mouseClick(view, LEFT, pos=at(view, viewport_point, 0, 3, corner))
    view.set_tool("pan")
    view.set_tool("polygon")
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert not strokes


def test_drawing_takes_the_selected_regions_colour(drawn):
    view, _ = drawn("brush")
    region = Region.from_mask("lesion", "#CC79A7", np.ones(SHAPE, bool))
    view.set_regions(RegionSet(flipped_geometry(), (region,)), "lesion")
    assert view.draw_colour.name().upper() == "#CC79A7"
    regions = RegionSet(flipped_geometry(), (region,))
    view.set_regions(regions, None)
    assert view.draw_colour.name().upper() == regions.next_colour().upper()


def grab_grey(view) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(image_format())
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)[:, : image.width()].astype(int)


def image_format():
    from PySide6.QtGui import QImage

    return QImage.Format.Format_Grayscale8
