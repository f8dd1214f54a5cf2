from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import AttributionMap, Provenance, Validity, Volume, Window
from saliency_viewer.render import (
    SlicePicture,
    file_presets,
    grey_slice,
    slice_figure,
    slice_pixels,
    to_grey,
    usual_presets,
    window_name,
)
from saliency_viewer.spatial import Geometry

RISING, FALLING = bytes(range(256)), bytes(reversed(range(256)))
WINDOWS = (
    Window(0, 100),
    Window(0, 100, "LINEAR"),
    Window(0, 100, "SIGMOID"),
    Window(0, 100, "TABLE", table=FALLING),
)


def _volume(array: np.ndarray, **fields) -> Volume:
    return Volume(array, Geometry.from_spacing(array.shape, calibration="patient", oriented=True), "CT", **fields)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.function)
@pytest.mark.parametrize("dtype", ["int8", "int16", ">i2", "int32", "float32"])
def test_padding_is_black_up_to_both_its_ends_and_the_rest_is_untouched(window, dtype):
    array = np.arange(-60, 60).reshape(1, 10, 12).astype(dtype)
    volume = _volume(array, padding=(10.0, 20.0))
    shown, plain = grey_slice(volume, array[0], window), to_grey(array[0], window)
    values = array[0].astype(int)
    padded = (values >= 10) & (values <= 20)
    assert padded.sum() == 11
    assert plain[padded].min() > 0
    assert not shown[padded].any()
    np.testing.assert_array_equal(shown[~padded], plain[~padded])
    np.testing.assert_array_equal(grey_slice(_volume(array), array[0], window), plain)


def test_graphics_are_white_on_grey_and_colour_and_leave_the_image_as_it_was():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 50, (3, 4, 5)).astype(np.int16)
    colour = rng.integers(0, 50, (3, 4, 5, 3)).astype(np.uint8)
    graphics = rng.random((3, 4, 5)) < 0.4
    kept = colour.copy()
    for given in (None, colour):
        volume = _volume(array, overlays=graphics, colour=given)
        for cut in (lambda a: a[1], lambda a: a[:, 2], lambda a: a[:, :, 3][::-1]):
            with_them = slice_pixels(volume, cut, Window(25, 100), graphics=True)
            without = slice_pixels(volume, cut, Window(25, 100))
            drawn = cut(graphics)
            assert drawn.any()
            assert (with_them[drawn] == 255).all()
            assert without.max() < 255
            np.testing.assert_array_equal(with_them[~drawn], without[~drawn])
    np.testing.assert_array_equal(colour, kept)


def test_an_exported_figure_shows_padding_black_and_no_graphics():
    array = np.full((1, 40, 40), 1000, dtype=np.int16)
    array[:, :20] = -2000
    fields = {"padding": (-2000.0, -2000.0), "overlays": np.ones(array.shape, dtype=bool)}
    # A window below all values: without the rule, padding would be white too.
    volume = _volume(array, window=Window(-5000, 10), **fields)
    picture = SlicePicture.of(volume.geometry, 0, 40)
    grey = picture.image(volume, 0, volume.default_window())
    assert (grey[:20] == 0).all()
    assert (grey[20:] == 255).all()
    values = np.full(array.shape, np.nan, dtype=np.float32)
    amap = AttributionMap(
        values, volume.geometry, "gradient", "t", Validity("verified"), Provenance("gradient", {}, "t", 0)
    )
    figure = slice_figure(volume, amap, 0)
    whites = (figure == 255).all(axis=2).sum()
    everywhere = slice_figure(_volume(array, window=Window(-5000, 10)), amap, 0)
    assert (everywhere == 255).all(axis=2).sum() - whites == pytest.approx(2 * 448 * 224, rel=0.04)


def test_the_files_windows_come_first_each_under_a_name_of_its_own():
    offered = (
        Window(-600, 1500, "LINEAR", "LUNG"),
        Window(40, 400, "SIGMOID", "SOFT"),
        Window(50, 300, "LINEAR", "LUNG"),
        Window(7, 9, "LINEAR"),
        Window(0, 256, "TABLE", "", RISING),
    )
    array = np.zeros((1, 2, 2), dtype=np.int16)
    presets = file_presets(_volume(array, windows=offered))
    assert [window for _, window in presets] == list(offered)
    assert [name for name, _ in presets] == ["LUNG", "SOFT · sigmoid", "LUNG (3)", "Window 4", "table"]
    assert file_presets(_volume(array, window=Window(1, 2))) == (("Window 1", Window(1, 2)),)
    assert file_presets(_volume(array)) == ()
    assert window_name(Window(1, 2)) == ""


def test_the_usual_windows_of_ct_are_offered_for_hounsfield_units_only():
    array = np.linspace(-1000, 1000, 10_001).astype(np.float32).reshape(1, 73, 137)
    names = [name for name, _ in usual_presets(_volume(array, units="HU"))]
    assert names == ["Auto", "Lung", "Mediastinum", "Bone", "Brain"]
    ((name, auto),) = usual_presets(_volume(array, window=Window(3, 4)))
    assert name == "Auto"
    low, high = np.percentile(array, [0.5, 99.5])
    assert (auto.centre, auto.width) == pytest.approx(((low + high) / 2, high - low))
