from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage

from saliency_viewer.domain import Region, RegionSet, Volume, Window
from saliency_viewer.errors import UserError
from saliency_viewer.gui.viewer import ColourBar, SliceView
from saliency_viewer.gui.viewer.regions_layer import cut_steps, outline_path
from saliency_viewer.render import MapStyle, colour_table, outlines, overlay, style_for, to_grey
from saliency_viewer.spatial import Geometry

SHAPE = (4, 12, 16)


def oblique(shape=SHAPE, signs=(1, 1, 1)) -> Geometry:
    turn = np.linalg.qr(np.eye(3) + 0.15 * np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= np.sign(np.diag(turn))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, signs[2]], [0, signs[1], 0], [signs[0], 0, 0]]) @ np.diag([1.5, 1.0, 1.0])
    return Geometry(shape, affine)


def pixels(view: SliceView) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, -1), (1, -1, 1)])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("smooth", [True, False])
def test_the_pixel_under_a_voxel_is_the_one_that_render_gives_to_files(
    make_view, ramp_volume, made_map, viewport_point, signs, axis, smooth
):
    geometry = oblique(signs=signs)
    volume = ramp_volume(SHAPE, geometry)
    view = make_view(volume, axis, size=(613, 587))
    amap = made_map(geometry)
    style = style_for(amap, fade=0.4, threshold=0.2)
    view.set_map(amap, style)
    view.set_smooth(smooth)
    view.set_slice(2)
    shown = pixels(view)
    slice2d, values = np.take(volume.array, 2, axis), np.take(amap.array, 2, axis)
    expected = overlay(to_grey(slice2d, volume.window), values, style)
    checked = 0
    for first, second in np.ndindex(slice2d.shape):
        voxel = [first, second]
        voxel.insert(axis, 2)
        place = viewport_point(view, tuple(voxel))
        x, y = int(place.x()), int(place.y())
        if 40 < y < 547 and 25 < x < 490:  # clear of the words
            # Smoothing mixes in a neighbour where the centre falls between two pixels of the screen.
            difference = np.abs(shown[y, x].astype(int) - expected[first, second]).max()
            assert difference <= (6 if smooth else 0)
            checked += 1
    assert checked > 10


def test_every_change_of_the_style_changes_the_picture(make_view, ramp_volume, made_map, viewport_point):
    volume = ramp_volume(SHAPE)
    view = make_view(volume, size=(600, 500))
    view.set_smooth(False)
    amap = made_map(volume.geometry)
    place = viewport_point(view, (2, 6, 5))
    grey = to_grey(volume.array[2], volume.window)
    for style in (MapStyle("RdBu_r", -2, 2, 0.5), MapStyle("RdBu_r", -2, 2, 0.9), MapStyle("viridis", -1, 1, 0.9)):
        view.set_map(amap, style)
        shown = pixels(view)[int(place.y()), int(place.x())]
        assert tuple(shown) == tuple(overlay(grey, amap.array[2], style)[6, 5])
    view.set_map(None, None)
    assert tuple(pixels(view)[int(place.y()), int(place.x())]) == (grey[6, 5],) * 3


def test_an_error_while_painting_is_an_error_and_not_a_crash(make_view, ramp_volume, monkeypatch):
    def broken(*_):
        raise ArithmeticError("on purpose")

    view = make_view(ramp_volume(SHAPE))
    with monkeypatch.context() as patch:
        patch.setattr("saliency_viewer.gui.viewer.picture.slice_pixels", broken)
        view.set_window(Window(10.0, 20.0))
        with pytest.raises(ArithmeticError, match="on purpose"):
            view.grab()
    assert pixels(view)[150:200, 150:250].any()


def test_a_style_without_a_colour_map_is_refused_and_changes_nothing(make_view, ramp_volume, made_map):
    volume = ramp_volume(SHAPE)
    view = make_view(volume)
    amap, good = made_map(volume.geometry), MapStyle("inferno", 0.0, 1.0, 0.5)
    view.set_map(amap, good)
    before = pixels(view)
    with pytest.raises(UserError, match="no colour map"):
        view.set_map(amap, MapStyle("rainbow", 0.0, 1.0, 0.5))
    assert view.colour_bar.style_shown == good
    np.testing.assert_array_equal(pixels(view), before)


def test_the_picture_alone_is_the_windowed_image(make_view, ramp_volume, viewport_point):
    volume = ramp_volume(SHAPE)
    view = make_view(volume, size=(600, 500))
    view.set_window(Window(300.0, 100.0))
    view.set_smooth(False)
    shown = pixels(view)
    grey = to_grey(volume.array[2], Window(300.0, 100.0))
    for voxel in ((2, 6, 5), (2, 4, 9), (2, 8, 3)):
        place = viewport_point(view, voxel)
        assert tuple(shown[int(place.y()), int(place.x())]) == (grey[voxel[1:]],) * 3


def test_a_voxel_that_the_model_did_not_see_shows_the_image(make_view, ramp_volume, made_map, viewport_point):
    volume = ramp_volume(SHAPE)
    array = np.full(SHAPE, 0.5, np.float32)
    array[2, 6, 5] = np.nan
    view = make_view(volume, size=(600, 500))
    view.set_smooth(False)
    view.set_map(made_map(volume.geometry, array), MapStyle("inferno", 0.0, 1.0, 0.5))
    place = viewport_point(view, (2, 6, 5))
    grey = to_grey(volume.array[2], volume.window)[6, 5]
    assert tuple(pixels(view)[int(place.y()), int(place.x())]) == (grey,) * 3


def test_colour_images_are_shown_as_they_are(make_view, viewport_point):
    colour = np.random.default_rng(0).integers(0, 255, (1, 6, 8, 3), dtype=np.uint8)
    geometry = Geometry.from_spacing((1, 6, 8))
    view = make_view(Volume(colour[..., 0], geometry, colour=colour), size=(600, 500))
    view.set_smooth(False)
    shown = pixels(view)
    for voxel in ((0, 2, 3), (0, 3, 5), (0, 4, 2)):
        place = viewport_point(view, voxel)
        assert tuple(shown[int(place.y()), int(place.x())]) == tuple(colour[voxel])


def test_a_large_image_is_averaged_down_instead_of_skipping_pixels(make_view):
    stripes = np.zeros((1, 1200, 1200), np.uint8)
    stripes[:, :, ::2] = 255
    view = make_view(Volume(stripes, Geometry.from_spacing(stripes.shape), window=Window(128, 256)), size=(200, 200))
    middle = pixels(view)[60:140, 60:140, 0].astype(int)
    assert abs(middle.mean() - 127.5) < 3
    assert middle.std() < 30


def test_dragging_a_window_over_a_large_image_is_quick_and_then_full(make_view, made_map, qtbot):
    geometry = Geometry.from_spacing((1, 1800, 1800))
    stripes = np.zeros(geometry.shape, np.uint8)
    stripes[:, ::2] = 255
    volume = Volume(stripes, geometry, window=Window(128, 256))
    view = make_view(volume, size=(300, 300))
    view.set_map(made_map(geometry, np.zeros(geometry.shape, np.float32)), MapStyle("RdBu_r", -1.0, 1.0, fade=0.25))
    full = pixels(view)
    view.set_window(Window(128.0, 200.0))
    hurried = pixels(view)
    middle = np.s_[100:200, 100:200]
    shown = {tuple(pixel) for pixel in hurried[middle].reshape(-1, 3)}
    exact = {
        tuple(overlay(np.full((1, 1), grey, np.uint8), np.zeros((1, 1)), MapStyle("RdBu_r", -1, 1, 0.25))[0, 0])
        for grey in (0, 255)
    }
    assert shown <= exact  # every n-th pixel, none invented
    qtbot.waitUntil(lambda: not view._refine.isActive(), timeout=2000)
    np.testing.assert_array_equal(
        pixels(view)[middle], full[middle]
    )  # 0 and 255 stay what they were in the wider window


def test_region_outlines_lie_on_the_edges_of_the_regions_pixels(make_view, viewport_point):
    geometry = oblique(signs=(1, -1, -1))
    mask = np.zeros(SHAPE, bool)
    mask[2, 4:8, 5:11] = True
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry, window=Window(1000, 100)), size=(600, 500))
    view.set_slice(2)
    view.set_regions(RegionSet(geometry, (Region.from_mask("a", "#56B4E9", mask),)))
    shown = pixels(view).astype(int)
    low = viewport_point(view, (2, 4, 5))
    high = viewport_point(view, (2, 7, 10))
    half = view.points_per_mm / 2
    for edge in (min(low.x(), high.x()) - half, max(low.x(), high.x()) + half):
        column = shown[int((low.y() + high.y()) / 2), int(edge) - 3 : int(edge) + 4]
        blue = QColor("#56B4E9")
        assert np.abs(column - (blue.red(), blue.green(), blue.blue())).max(axis=1).min() <= 2
    centre = shown[int((low.y() + high.y()) / 2), int((low.x() + high.x()) / 2)]
    np.testing.assert_allclose(centre, np.array([0x56, 0xB4, 0xE9]) * 0.08, atol=2)
    view.set_slice(1)
    assert not pixels(view)[200:300, 250:350].any()


def test_hidden_regions_are_not_drawn(make_view):
    geometry = Geometry.from_spacing(SHAPE)
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry, window=Window(1000, 100)), size=(600, 500))
    region = Region("a", "#56B4E9", (0, 0, 0), np.ones(SHAPE, bool), visible=False)
    view.set_regions(RegionSet(geometry, (region,)))
    assert not pixels(view)[200:300, 250:350].any()


def test_a_regions_path_filled_gives_its_mask_back():
    mask = np.random.default_rng(5).random(SHAPE) < 0.5
    region = Region.from_mask("a", "#56B4E9", mask)
    for axis in range(3):
        path = outline_path(region, axis, 2)
        slice2d = np.take(mask, 2, axis)
        for first, second in np.ndindex(slice2d.shape):
            assert path.contains(QPointF(second, first)) == slice2d[first, second]


def test_cut_corners_never_leave_a_pixels_inside_and_stay_within_half_a_pixel():
    mask = np.random.default_rng(7).random((20, 20)) < 0.6
    for line in outlines(mask):
        cut = cut_steps(line)
        start, end = line[:-1], line[1:]
        length = np.linalg.norm(end - start, axis=1)
        for point in cut:  # every kept point is on the true edge
            along = np.einsum("ij,ij->i", point - start, end - start) / length**2
            nearest = start + np.clip(along, 0, 1)[:, None] * (end - start)
            assert np.linalg.norm(nearest - point, axis=1).min() < 1e-9
        for corner in start:  # every true corner is close to the cut line
            a, b = cut, np.roll(cut, -1, axis=0)
            part = np.einsum("ij,ij->i", corner - a, b - a) / np.maximum(((b - a) ** 2).sum(axis=1), 1e-12)
            distance = np.linalg.norm(a + np.clip(part, 0, 1)[:, None] * (b - a) - corner, axis=1)
            assert distance.min() <= 0.36


def test_the_crosshair_crosses_at_its_voxel(make_view, viewport_point):
    geometry = oblique(signs=(-1, 1, -1))
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry, window=Window(1000, 100)), size=(600, 500))
    view.set_crosshair((0, 7, 5))
    place = viewport_point(view, (0, 7, 5))
    lit = pixels(view).astype(int)[..., 2] > 60
    assert abs(np.argmax(lit[100:400].sum(axis=0)) - place.x()) <= 1
    assert abs(np.argmax(lit[:, 100:500].sum(axis=1)) - place.y()) <= 1
    view.set_crosshair(None)
    assert not pixels(view)[200:300, 250:350].any()


def test_letters_stand_at_their_edges_and_change_places(make_view):
    geometry = oblique()
    view = make_view(Volume(np.zeros(SHAPE, np.int16), geometry, window=Window(1000, 100)), size=(600, 400))
    assert view.frame.letters == ("R", "L", "A", "P")
    radiological = pixels(view)
    view.set_radiological(False)
    assert view.frame.letters == ("L", "R", "A", "P")
    neurological = pixels(view)
    left, right = np.s_[190:210, 4:30], np.s_[190:210, 570:596]
    assert radiological[left].max() > 200
    assert radiological[right].max() > 200
    assert (radiological[left] != neurological[left]).any()
    unknown = make_view(Volume(np.zeros(SHAPE, np.int16), Geometry.from_spacing(SHAPE), window=Window(1000, 100)))
    shown = pixels(unknown)
    assert shown[170:190, 4:30].max() < 60


def test_the_frame_is_blue_when_active(make_view):
    view = make_view()
    idle = pixels(view)[0, 200]
    view.set_active(True)
    active = pixels(view)[0, 200]
    assert tuple(idle) == (0x26, 0x2C, 0x35)
    assert tuple(active) == (0x4C, 0x9E, 0xEB)


def test_an_empty_viewport_says_the_next_step(make_view):
    view = make_view()
    view.empty_text = "Drop a study here."
    first = pixels(view)
    assert first[100:260, 100:320].max() > 90
    view.empty_text = ""
    assert pixels(view)[100:260, 100:320].max() == 0


def test_a_map_or_regions_of_another_grid_are_refused(make_view, ramp_volume, made_map):
    view = make_view(ramp_volume(SHAPE))
    other = Geometry.from_spacing((4, 12, 17))
    with pytest.raises(UserError, match="another shape"):
        view.set_map(made_map(other), MapStyle("inferno", 0.0, 1.0))
    with pytest.raises(UserError, match="another shape"):
        view.set_regions(RegionSet(other))


def test_another_volume_takes_map_and_regions_away(make_view, ramp_volume, made_map):
    volume = ramp_volume(SHAPE)
    view = make_view(volume)
    view.set_map(made_map(volume.geometry), MapStyle("inferno", 0.0, 1.0))
    assert view.colour_bar.style_shown is not None
    view.set_volume(ramp_volume((3, 8, 8)))
    assert view.colour_bar.style_shown is None
    assert view.slice_index == 1
    view.set_volume(None)
    assert view.frame is None
    assert view.window_shown is None
    assert pixels(view).shape == (360, 420, 3)


def test_the_slice_is_kept_within_the_volume(make_view, ramp_volume):
    view = make_view(ramp_volume(SHAPE))
    for index, kept in ((99, 3), (-5, 0)):
        view.set_slice(index)
        assert view.slice_index == kept


def test_actual_size_shows_one_pixel_for_one_pixel(make_view, ramp_volume):
    view = make_view(ramp_volume((2, 50, 60)))
    view.actual_size()
    assert view.points_per_mm * view.devicePixelRatioF() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("style", "labels"),
    [
        (MapStyle("inferno", 0.0, 0.018), ("0", "1.8e-2")),
        (MapStyle("RdBu_r", -0.0031, 0.0031), ("−3.1e-3", "3.1e-3")),
        (MapStyle("viridis", 0.0, 1.0), ("0", "1")),
        (MapStyle("inferno", 0.0, 25000.0), ("0", "2.5e4")),
        (MapStyle("inferno", 0.0, 0.0), ("", "")),
    ],
)
def test_the_colour_bar_gives_raw_values(qtbot, style, labels):
    bar = ColourBar()
    qtbot.addWidget(bar)
    assert bar.labels == ("", "")
    bar.set_style(style)
    assert bar.labels == labels


@pytest.mark.parametrize("name", ["inferno", "RdBu_r", "viridis"])
def test_the_colour_bars_top_is_the_highest_value(qtbot, name):
    bar = ColourBar()
    qtbot.addWidget(bar)
    bar.resize(80, 216)
    bar.set_style(MapStyle(name, 0.0, 1.0))
    image = bar.grab().toImage()
    table = colour_table(name).astype(int)
    for share in (0.1, 0.5, 0.9):
        colour = image.pixelColor(80 - 5, round(8 + 200 * share))
        expected = table[round(255 * (1 - share))]
        assert np.abs(np.array([colour.red(), colour.green(), colour.blue()]) - expected).max() <= 6


def test_a_map_without_evidence_says_so(qtbot):
    bar = ColourBar()
    qtbot.addWidget(bar)
    bar.resize(80, 200)
    bar.set_style(MapStyle("inferno", 0.0, 0.0))
    assert bar.accessibleDescription() == "no evidence"
    assert not bar.isHidden()
    bar.set_style(None)
    assert bar.isHidden()


def test_the_colour_bar_darkens_what_the_threshold_hides(qtbot):
    bar = ColourBar()
    qtbot.addWidget(bar)
    bar.resize(80, 216)
    bar.set_style(MapStyle("RdBu_r", -1.0, 1.0, threshold=0.5))
    image = bar.grab().toImage()
    light = [image.pixelColor(80 - 5, round(8 + 200 * share)).lightness() for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    full = [colour_table("RdBu_r")[round(255 * (1 - share))] for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    full_light = [(int(max(rgb)) + int(min(rgb))) / 2 for rgb in full]
    assert [seen < 0.5 * whole for seen, whole in zip(light, full_light, strict=True)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_slice_that_was_not_explained_says_so(make_view, ramp_volume, made_map):
    from dataclasses import replace

    volume = ramp_volume(SHAPE)
    view = make_view(volume)
    plain = pixels(view)[280:325, 5:150]
    view.set_map(replace(made_map(volume.geometry), slices=(1,)), MapStyle("inferno", 0.0, 1.0, fade=0.0))
    assert (pixels(view)[280:325, 5:150] != plain).any()
    view.set_slice(1)
    explained = pixels(view)[280:325, 5:150]
    view.set_map(None, None)
    np.testing.assert_array_equal(pixels(view)[280:325, 5:150], explained)
