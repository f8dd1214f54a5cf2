from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from saliency_viewer.domain import Volume, Window
from saliency_viewer.render import to_grey
from saliency_viewer.spatial import Geometry


def pydicom_grey(values, window, function):
    header = Dataset()
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = window.centre, window.width, function
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 16, 1
    low, high = -32768.0, 32767.0
    with np.errstate(over="ignore"):
        return (apply_windowing(values, header) - low) / (high - low) * 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("place", [(40, 400), (40.5, 1), (100, 2), (-600.25, 1500.5)])
def test_values_follow_the_functions_as_pydicom_computes_them(dtype, place, function):
    info = np.iinfo(dtype)
    values = np.linspace(max(info.min, -3000), min(info.max, 3000), 997).astype(dtype)
    window = Window(*place, function=function)
    expected = pydicom_grey(values.astype(np.int32), window, function)
    assert np.abs(to_grey(values, window) - expected).max() <= 0.5 + 1e-2
    assert np.abs(to_grey(values.astype(np.float32), window) - expected).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", "TABLE"])
def test_a_mirrored_window_shows_mirrored_values_with_black_and_white_exchanged(function):
    table = bytes(np.sort(np.random.default_rng(0).integers(0, 256, 300)).astype(np.uint8))
    window = Window(100 + 150 - 0.5, 300, function, table=table if function == "TABLE" else b"")
    values = np.arange(4096, dtype=np.uint16)
    twin = to_grey(4095 - values, window.mirrored(4095)).astype(int)
    assert np.abs(255 - twin - to_grey(values, window)).max() <= (0 if function == "TABLE" else 1)
    assert window.mirrored(4095).mirrored(4095) == window


def test_a_table_gives_each_value_its_entry_and_the_ends_beyond():
    window = Window(100 + 2 - 0.5, 4, "TABLE", table=bytes([0, 200, 100, 255]))
    assert to_grey(np.array([-5, 100, 101, 102, 103, 4000], dtype=np.int16), window).tolist() == [
        0,
        0,
        200,
        100,
        255,
        255,
    ]
    assert to_grey(np.array([100.4, 100.6, np.nan], dtype=np.float32), window).tolist() == [0, 200, 0]


def test_what_was_not_imaged_counts_for_no_percentile():
    array = np.concatenate([np.full(500, -2000), np.linspace(0, 100, 500)]).astype(np.int16).reshape(1, 10, 100)
    volume = Volume(array, Geometry.from_spacing((1, 10, 100)), padding=(-2000.0, -2000.0))
    window = volume.default_window()
    assert window.centre - window.width / 2 >= 0


@pytest.mark.parametrize("window", [Window(0.5, 1.0), Window(0.2, 0.01), Window(40, 400)])
def test_floats_follow_the_exact_linear_function(window):
    values = np.linspace(-2 * window.width, 2 * window.width, 1001).astype(np.float32) + np.float32(window.centre)
    expected = pydicom_grey(values.astype(np.float64), window, "LINEAR_EXACT")
    assert np.abs(to_grey(values, window) - expected).max() <= 0.5 + 1e-2


def test_grey_never_falls_when_the_value_rises():
    for values in (np.arange(-32768, 32768, dtype=np.int16), np.linspace(-5, 5, 999, dtype=np.float32)):
        assert (np.diff(to_grey(values, Window(0.3, 7)).astype(int)) >= 0).all()


def test_foreign_byte_order_and_strided_views_give_the_same_picture():
    values = np.arange(-600, 600, dtype=np.int16).reshape(30, 40)
    expected = to_grey(values, Window(0, 900))
    assert np.array_equal(to_grey(values.astype(">i2"), Window(0, 900)), expected)
    assert np.array_equal(to_grey(values[::-1].T[::2], Window(0, 900)), expected[::-1].T[::2])


def test_constant_image_with_its_default_window_warns_nobody():
    for dtype in (np.int16, np.float32):
        volume = Volume(np.full((1, 3, 3), 7, dtype=dtype), Geometry.from_spacing((1, 3, 3)))
        grey = to_grey(volume.array[0], volume.default_window())
        assert np.ptp(grey) == 0


def test_missing_values_are_black_and_infinite_ones_take_the_ends():
    values = np.array([[np.nan, np.inf, -np.inf, 0.5]], dtype=np.float32)
    assert to_grey(values, Window(0.5, 1.0)).tolist() == [[0, 255, 0, 128]]


def test_image_of_unit_range_shows_its_whole_range():
    volume = Volume(np.linspace(0, 1, 4096, dtype=np.float32).reshape(1, 64, 64), Geometry.from_spacing((1, 64, 64)))
    grey = to_grey(volume.array[0], volume.default_window())
    assert grey.min() == 0
    assert grey.max() == 255
    assert len(np.unique(grey)) == 256


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-25, 1e-9, 1.0, 1e9, 1e30])
def test_values_of_any_size_are_shown_in_all_greys(dtype, size):
    values = (np.linspace(-size, size, 1001)).astype(dtype).reshape(1, 7, 143)
    grey = to_grey(values, Volume(values, Geometry.from_spacing(values.shape)).auto_window)
    expected = np.clip((np.linspace(-1, 1, 1001) / 0.99 + 1) / 2 * 255, 0, 255)
    assert np.abs(grey.ravel() - expected).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("value", [0.0, 1e-9, 1000.0, -1024.0, 1e6, 123456.789])
def test_a_constant_is_grey_whatever_it_is(value):
    values = np.full((1, 4, 4), value, np.float32)
    assert np.unique(to_grey(values, Volume(values, Geometry.from_spacing(values.shape)).auto_window)).tolist() == [128]


def test_a_narrow_window_far_from_zero_keeps_its_steps():
    values = 50_000 + np.arange(65, dtype=np.float32) / 256  # exact in float32
    grey = to_grey(values, Window(50_000.125, 0.25))
    assert np.abs(grey - np.arange(65) * 255 / 64).max() <= 0.5 + 1e-2
