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
    return (apply_windowing(values, header) - low) / (high - low) * 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32])
@pytest.mark.parametrize("window", [Window(40, 400), Window(40.5, 1), Window(100, 2), Window(-600.25, 1500.5)])
def test_integers_follow_the_linear_function_as_pydicom_computes_it(dtype, window):
    info = np.iinfo(dtype)
    values = np.linspace(max(info.min, -3000), min(info.max, 3000), 997).astype(dtype)
    expected = pydicom_grey(values.astype(np.int32), window, "LINEAR")
    assert np.abs(to_grey(values, window) - expected).max() <= 0.5 + 1e-3


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
