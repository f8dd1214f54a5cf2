"""Graphics of the file, padding, and the words of windows and frames in a viewport."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtGui import QImage

from saliency_viewer.domain import Volume, Window
from saliency_viewer.gui.viewer import SliceView
from saliency_viewer.gui.viewer.annotations import image_lines
from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.render import MapStyle, overlay, to_grey
from saliency_viewer.spatial import Geometry

SHAPE = (4, 12, 16)


def pixels(view: SliceView) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def test_the_files_graphics_lie_white_over_the_image_and_below_the_map(
    make_view, ramp_volume, made_map, viewport_point
):
    graphics = np.zeros(SHAPE, dtype=bool)
    graphics[2, 6] = True
    volume = replace(ramp_volume(SHAPE), overlays=graphics)
    view = make_view(volume, size=(600, 500))
    view.set_smooth(False)
    place = viewport_point(view, (2, 6, 5))

    def shown() -> tuple[int, ...]:
        return tuple(pixels(view)[int(place.y()), int(place.x())])

    assert shown() == (255, 255, 255)
    amap, style = made_map(volume.geometry), MapStyle("RdBu_r", -2, 2, 0.5)
    view.set_map(amap, style)
    white = np.full(SHAPE[1:], 255, dtype=np.uint8)
    assert shown() == tuple(overlay(white, amap.array[2], style)[6, 5])
    view.set_graphics(False)
    grey = to_grey(volume.array[2], volume.window)
    assert shown() == tuple(overlay(grey, amap.array[2], style)[6, 5])


def test_graphics_and_padding_are_cut_along_every_axis(make_view, ramp_volume, viewport_point):
    graphics = np.zeros(SHAPE, dtype=bool)
    graphics[2, 6, 5] = True
    volume = ramp_volume(SHAPE)
    padded = float(volume.array[3, 6, 5])
    volume = replace(volume, overlays=graphics, padding=(padded, padded), window=Window(-5000, 10))
    for axis in (1, 2):
        view = make_view(volume, axis=axis, size=(600, 500))
        view.set_smooth(False)
        view.set_window(Window(5000, 10))  # everything else is black
        view.set_slice((2, 6, 5)[axis])
        place = viewport_point(view, (2, 6, 5))
        assert tuple(pixels(view)[int(place.y()), int(place.x())]) == (255, 255, 255)
        view.set_window(Window(-5000, 10))  # everything else is white
        place = viewport_point(view, (3, 6, 5))
        assert tuple(pixels(view)[int(place.y()), int(place.x())]) == (0, 0, 0)


def test_the_corner_names_windows_curves_and_frames():
    def lines(window: Window, calibration: str) -> tuple[str, ...]:
        geometry = Geometry.from_spacing(SHAPE, (2, 1, 1), calibration, calibration == "patient")
        geometry = replace(geometry, through_space=calibration == "patient")
        volume = Volume(np.zeros(SHAPE, np.int16), geometry, "CT", view="PA")
        return image_lines(volume, SliceFrame.of(geometry, 0), 1, window)

    assert lines(Window(40, 400), "patient") == ("CT · axial · 16 × 12", "Slice 2 / 4 · W 400 · L 40")
    named = lines(Window(-600, 1500, "SIGMOID", "LUNG"), "patient")
    assert named == ("CT · axial · 16 × 12", "LUNG · sigmoid", "Slice 2 / 4 · W 1500 · L −600")
    assert lines(Window(40, 400), "none") == ("CT · PA · 16 × 12", "Frame 2 / 4 · W 400 · L 40")
