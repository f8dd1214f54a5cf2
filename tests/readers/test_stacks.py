"""Slices become a volume: order, gaps, tilt, times, and what is said about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saliency_viewer.readers import open_study


def _said(volume: Any) -> str:
    return " ".join(volume.warnings)


def test_slices_are_ordered_by_place_whatever_their_names(stack: Any) -> None:
    volume = open_study(stack([6, 0, 4, 2])).series[0].load()
    assert volume.array[:, 0, 0].tolist() == [10, 30, 20, 0]
    np.testing.assert_allclose(volume.geometry.to_patient([3, 5, 7]), [1 + 7 * 0.5, 2 + 5 * 0.7, 6])
    assert volume.warnings == ()


@pytest.mark.parametrize("places", [[0, 2, 4, 8, 10], [0, 2, 6], [0, 4, 6]])
def test_a_missing_slice_is_said_and_interpolated(stack: Any, places: list[float]) -> None:
    volume = open_study(stack(places)).series[0].load()
    assert "missing slice: 1 of" in _said(volume)
    assert volume.geometry.spacing[0] == pytest.approx(2)
    expected = np.interp(np.arange(volume.array.shape[0]) * 2, places, 10 * np.arange(len(places)))
    np.testing.assert_allclose(volume.array[:, 0, 0], expected, atol=1e-4)


def test_irregular_gaps_are_resampled_at_exact_places(stack: Any) -> None:
    places = [0, 2, 4.7, 6, 9.1]
    volume = open_study(stack(places)).series[0].load()
    assert "irregular spacing" in _said(volume)
    z = [volume.geometry.to_patient([k, 0, 0])[2] for k in range(volume.array.shape[0])]
    np.testing.assert_allclose(volume.array[:, 0, 0], np.interp(z, places, 10 * np.arange(5)), atol=1e-3)


def test_uneven_slices_as_stored_are_all_there_and_in_no_exact_place(stack: Any) -> None:
    series = open_study(stack([0, 2, 4.7, 6, 9.1])).series[0]
    assert series.grids == ("regular", "stored")
    stored = series.load(grid="stored")
    assert stored.array[:, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert not stored.geometry.located
    assert "As stored" in _said(stored)
    assert series.load().geometry.located


def test_a_tilted_stack_stands_upright_on_its_other_grid(stack: Any) -> None:
    tilt = np.tan(0.3)
    folder = stack([0, 2, 4, 6], ImagePositionPatient=lambda k: [1, round(2 + 2 * k * tilt, 6), 2 * k])
    series = open_study(folder).series[0]
    assert series.grids == ("stored", "regular")
    assert "gantry tilt" in _said(series.load())
    upright = series.load(grid="regular")
    axes = upright.geometry.affine[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag(np.square(upright.geometry.spacing)), atol=1e-6)
    assert "gantry tilt" in _said(upright)
    for k in range(4):  # each stored plane lies where it was, and holds its own value there
        index = upright.geometry.to_index([1, 2 + 2 * k * tilt + 1.4, 2 * k])
        assert index[0] == pytest.approx(k, abs=1e-4)
        assert upright.array[k, round(index[1]), 3] == pytest.approx(10 * k)


def test_a_stray_duplicate_is_dropped_with_a_word(stack: Any) -> None:
    study = open_study(stack([0, 2, 2, 4, 6]))
    assert len(study.series) == 1
    assert "duplicate slice: 1 of 5" in _said(study.series[0].load())


def test_a_tilted_gantry_is_sheared_not_hidden(stack: Any) -> None:
    folder = stack([0, 2, 4, 6], ImagePositionPatient=lambda k: [1, round(2 + 2 * k * np.tan(0.3), 6), 2 * k])
    volume = open_study(folder).series[0].load()
    assert "gantry tilt" in _said(volume)
    np.testing.assert_allclose(volume.geometry.to_patient([3, 0, 0]), [1, 2 + 6 * np.tan(0.3), 6], atol=1e-5)


@pytest.mark.parametrize(("sideways", "said"), [(5.0, True), (0.4, True), (0.1, False)])
def test_a_slice_beside_the_axis_is_said(stack: Any, sideways: float, said: bool) -> None:
    folder = stack([0, 2, 4, 6], ImagePositionPatient=lambda k: [1 + sideways * (k == 2), 2, 2 * k])
    assert ("shifted slice: 1 of 4" in _said(open_study(folder).series[0].load())) is said


def test_times_become_stacks_of_their_own(stack: Any) -> None:
    study = open_study(stack([0, 2, 4, 0, 2, 4]))
    assert [one.load().array[:, 0, 0].tolist() for one in study.series] == [[0, 10, 20], [30, 40, 50]]
    assert len({one.uid for one in study.series}) == 2


def test_an_incomplete_second_time_is_split_off_with_a_word(stack: Any) -> None:
    study = open_study(stack([0, 2, 4, 6, 0, 2], TemporalPositionIdentifier=lambda k: 1 + k // 4))
    assert [one.slices for one in study.series] == [4, 2]
    assert any("incomplete stack: it has 2 slices" in words for words in study.series[1].warnings)


def test_series_with_scales_of_their_own_share_a_range_and_no_window(stack: Any) -> None:
    folder = stack(
        [0, 2, 4],
        RescaleSlope=lambda k: k + 1,
        RescaleIntercept=lambda _: 0,
        WindowCenter=lambda k: 100 * (k + 1),
        WindowWidth=lambda _: 50,
    )
    volume = open_study(folder).series[0].load()
    assert volume.array[:, 0, 0].tolist() == [1024, 2 * 1034, 3 * 1044]
    assert volume.value_range == (0, 3 * 4095)
    assert volume.window is None


def test_a_window_on_which_all_slices_agree_is_kept(stack: Any) -> None:
    folder = stack([0, 2, 4], WindowCenter=lambda _: 40, WindowWidth=lambda _: 400)
    window = open_study(folder).series[0].load().window
    assert window is not None
    assert (window.centre, window.width) == (40, 400)


@pytest.mark.parametrize(("high", "dtype"), [(0, np.int16), (65535, np.int32)])
def test_hounsfield_units_take_16_bits_where_they_fit(make: Any, high: int, dtype: Any, tmp_path: Path) -> None:
    for k in range(3):
        array = np.full((4, 4), high if k == 1 else 7)
        make(f"s/{k}.dcm", array, BitsStored=16, HighBit=15, ImagePositionPatient=[0, 0, k])
    volume = open_study(tmp_path / "s").series[0].load()
    assert volume.array.dtype == dtype
    assert volume.array[1, 0, 0] == high - 1024


@pytest.mark.parametrize("compress", [None, "1.2.840.10008.1.2.5"])
def test_one_cut_file_is_listed_and_the_rest_opens(stack: Any, compress: str | None) -> None:
    import pydicom

    folder = stack([0, 2, 4, 6])
    paths = sorted(folder.iterdir(), key=lambda p: float(pydicom.dcmread(p).ImagePositionPatient[2]))
    if compress:
        dataset = pydicom.dcmread(paths[1])
        dataset.compress(compress, generate_instance_uid=False)
        dataset.save_as(paths[1])
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    study = open_study(folder)
    assert [item.reason for item in study.unreadable] == ["The file is cut short: it is smaller than its own pixels."]
    volume = study.series[0].load()
    assert "missing slice: 1 of 4" in _said(volume)
    np.testing.assert_allclose(volume.array[:, 0, 0], [0, 10, 20, 30])


def test_one_undecodable_file_does_not_stop_its_series(stack: Any) -> None:
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    folder = stack([0, 2, 4, 6])
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if float(dataset.ImagePositionPatient[2]) == 2:
            dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
            dataset.PixelData = encapsulate([b"no picture at all"])
            dataset["PixelData"].is_undefined_length = True
            dataset.save_as(path)
    volume = open_study(folder).series[0].load()
    assert "unreadable slice: 1" in _said(volume)
    assert "missing slice: 1 of 4" in _said(volume)
    np.testing.assert_allclose(volume.array[:, 0, 0], [0, 10, 20, 30])
