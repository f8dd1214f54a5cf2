"""From stored bits to what is shown: bits, tables, windows, padding, overlays, polarity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from saliency_viewer.domain import Volume, Window
from saliency_viewer.readers import open_study
from saliency_viewer.render import to_grey


def _noise(top: int = 4096) -> Any:
    return np.random.default_rng(5).integers(0, top, (16, 24))


def _load(path: Path) -> Volume:
    return open_study(path).series[0].load()


@pytest.mark.parametrize(("high", "stored"), [(11, 12), (13, 12), (15, 12), (15, 16), (9, 10)])
@pytest.mark.parametrize("signed", [0, 1])
def test_values_are_taken_from_the_stored_bits_alone(make: Any, high: int, stored: int, signed: int) -> None:
    low = -(2 ** (stored - 1)) if signed else 0
    values = _noise(2**stored) + low
    garbage = np.random.default_rng(6).integers(0, 65536, values.shape)
    mask = (2**stored - 1) << (high + 1 - stored)
    raw = ((values << (high + 1 - stored)) & mask) | (garbage & ~mask & 0xFFFF)
    path = make(
        "a.dcm", raw, BitsStored=stored, HighBit=high, PixelRepresentation=signed, RescaleIntercept=0, RescaleSlope=1
    )
    np.testing.assert_array_equal(_load(path).array[0], values)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (2.5, -10), (1, 0.5), (1, 40000), (-1, 0)])
def test_rescaled_values_are_those_of_pydicom(make: Any, slope: float, intercept: float) -> None:
    path = make("a.dcm", _noise(), RescaleSlope=slope, RescaleIntercept=intercept)
    dataset = pydicom.dcmread(path)
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    volume = _load(path)
    np.testing.assert_allclose(volume.array[0], expected, rtol=1e-6)
    assert volume.value_range == tuple(sorted((intercept, slope * 4095 + intercept)))
    assert volume.array.dtype.itemsize <= 4


def _table(first: int, entries: Any, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.add_new(0x00283006, "US", [int(one) for one in entries])
    item.ModalityLUTType = "US"
    item.LUTExplanation = "SHOULDER"
    return item


def test_a_modality_table_gives_its_entries_as_pydicom_reads_them(make: Any) -> None:
    path = make("a.dcm", _noise(), RescaleSlope=None, RescaleIntercept=None)
    dataset = pydicom.dcmread(path)
    dataset.ModalityLUTSequence = Sequence([_table(100, np.arange(3000)[::-1] * 3)])
    dataset.save_as(path)
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    np.testing.assert_array_equal(_load(path).array[0], expected)


def test_a_voi_table_shows_what_pydicom_shows(make: Any) -> None:
    path = make("a.dcm", _noise(), RescaleIntercept=0)
    dataset = pydicom.dcmread(path)
    curve = np.rint(65535 * (np.arange(2000) / 1999) ** 2)
    dataset.VOILUTSequence = Sequence([_table(500, curve)])
    dataset.save_as(path)
    volume = _load(path)
    assert volume.window is not None
    assert (volume.window.function, volume.window.name) == ("TABLE", "SHOULDER")
    expected = apply_voi_lut(dataset.pixel_array, dataset) / 65535 * 255
    assert np.abs(to_grey(volume.array[0], volume.window) - expected).max() <= 0.5 + 1e-9


def test_all_windows_of_a_file_are_offered_with_their_names(make: Any) -> None:
    path = make(
        "a.dcm",
        _noise(),
        WindowCenter=[40, -600, 0],
        WindowWidth=[400, 1500, 0],
        WindowCenterWidthExplanation=["SOFT", "LUNG", "BROKEN"],
    )
    volume = _load(path)
    assert volume.windows == (Window(40, 400, "LINEAR"), Window(-600, 1500, "LINEAR"))
    assert [window.name for window in volume.windows] == ["SOFT", "LUNG"]
    assert volume.window == volume.windows[0]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_has_the_files_function(make: Any, function: str) -> None:
    window = _load(make("a.dcm", _noise(), WindowCenter=40, WindowWidth=400, VOILUTFunction=function)).window
    assert window is not None
    assert window.function == function


def _shown_by_the_standard(path: Path) -> Any:
    """Modality, then VOI, then polarity, each by pydicom: greys 0..255."""
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    low, high = (dataset.RescaleSlope * end + dataset.RescaleIntercept for end in (0, 4095))
    shown = (apply_voi_lut(values, dataset) - low) / (high - low) * 255
    return 255 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", [1.0, 2.0, 401.0, 3000.5])
def test_every_polarity_and_function_looks_as_the_standard_says(
    make: Any, kind: str, function: str, width: float
) -> None:
    path = make(
        "a.dcm", _noise(), PhotometricInterpretation=kind, WindowCenter=700, WindowWidth=width, VOILUTFunction=function
    )
    volume = _load(path)
    with np.errstate(over="ignore"):
        expected = _shown_by_the_standard(path)
    assert np.abs(to_grey(volume.array[0], volume.default_window()) - expected).max() <= 0.5 + 1e-2


def test_what_was_not_imaged_is_named_in_modality_values(make: Any) -> None:
    values = _noise()
    values[:, :5] = 4000
    plain = _load(make("a.dcm", values, PixelPaddingValue=4000))
    assert plain.padding == (4000 - 1024, 4000 - 1024)
    window = plain.default_window()
    assert window.centre + window.width / 2 < 4095
    ranged = _load(make("b.dcm", values, PixelPaddingValue=4000, PixelPaddingRangeLimit=4095))
    assert ranged.padding == (4000 - 1024, 4095 - 1024)
    turned = _load(make("c.dcm", values, PixelPaddingValue=4000, PhotometricInterpretation="MONOCHROME1"))
    assert turned.padding == (95 - 1024, 95 - 1024)
    assert (turned.array[0][:, :5] == 95 - 1024).all()


def _with_overlay(path: Path, mask: Any, origin: list[int]) -> None:
    dataset = pydicom.dcmread(path)
    for element, code, value in (
        (0x0010, "US", mask.shape[0]),
        (0x0011, "US", mask.shape[1]),
        (0x0040, "CS", "G"),
        (0x0050, "SS", origin),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", np.packbits(mask.ravel(), bitorder="little").tobytes() + b"\0"),
    ):
        dataset.add_new(0x60020000 | element, code, value)
    dataset.save_as(path)


@pytest.mark.parametrize("origin", [[1, 1], [3, 5], [-1, 0]])
def test_overlays_lie_where_the_file_puts_them(make: Any, origin: list[int]) -> None:
    path = make("a.dcm", _noise())
    mask = np.random.default_rng(1).random((10, 13)) > 0.5
    _with_overlay(path, mask, origin)
    expected = np.zeros((16 + 40, 24 + 40), dtype=bool)
    top, left = origin[0] - 1 + 20, origin[1] - 1 + 20
    expected[top : top + 10, left : left + 13] = mask
    found = _load(path).overlays
    assert found is not None
    np.testing.assert_array_equal(found[0], expected[20:36, 20:44])


def test_an_overlay_in_unused_bits_is_drawn_and_not_seen_as_a_value(make: Any) -> None:
    mask = np.random.default_rng(1).random((16, 24)) > 0.5
    values = _noise()
    path = make("a.dcm", values | (mask.astype(int) << 12))
    dataset = pydicom.dcmread(path)
    for element, value in ((0x0010, 16), (0x0011, 24), (0x0100, 16), (0x0102, 12)):
        dataset.add_new(0x60000000 | element, "US", value)
    dataset.save_as(path)
    volume = _load(path)
    np.testing.assert_array_equal(volume.array[0], values - 1024)
    assert volume.overlays is not None
    np.testing.assert_array_equal(volume.overlays[0], mask)


def test_an_image_without_graphics_has_none(make: Any) -> None:
    assert _load(make("a.dcm", _noise())).overlays is None


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_colours_of_more_bits_take_the_whole_range(make: Any, bits: int) -> None:
    colours = np.random.default_rng(2).integers(0, 2**bits, (16, 24, 3))
    path = make("a.dcm", _noise(), BitsStored=bits, HighBit=bits - 1, RescaleSlope=None, RescaleIntercept=None)
    dataset = pydicom.dcmread(path)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    if bits == 8:
        dataset.BitsAllocated = 8
    dataset.PixelData = colours.astype(np.uint8 if bits == 8 else np.uint16).tobytes()
    dataset.save_as(path)
    volume = _load(path)
    assert volume.colour is not None
    np.testing.assert_array_equal(volume.colour[0], np.rint(colours * (255 / (2**bits - 1))))


def test_a_voi_table_may_start_below_zero_though_its_header_has_no_sign(make: Any, tmp_path: Path) -> None:
    path = make("a.dcm", _noise())  # modality values from -1024 on
    dataset = pydicom.dcmread(path)
    dataset.VOILUTSequence = Sequence([_table(65536 - 1024, np.arange(4096) * 16)])
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "b.dcm", implicit_vr=True, enforce_file_format=True)
    volume = _load(tmp_path / "b.dcm")
    expected = _noise() * 16 / 65535 * 255
    assert np.abs(to_grey(volume.array[0], volume.default_window()) - expected).max() <= 0.5 + 1e-9


def test_an_overlay_may_lie_below_the_stored_bits(make: Any) -> None:
    mask = np.random.default_rng(1).random((16, 24)) > 0.5
    path = make("a.dcm", (_noise() << 4) | mask, BitsStored=12, HighBit=15)
    dataset = pydicom.dcmread(path)
    for element, value in ((0x0010, 16), (0x0011, 24), (0x0100, 16), (0x0102, 0)):
        dataset.add_new(0x60000000 | element, "US", value)
    dataset.save_as(path)
    volume = _load(path)
    np.testing.assert_array_equal(volume.array[0], _noise() - 1024)
    assert volume.overlays is not None
    np.testing.assert_array_equal(volume.overlays[0], mask)


def test_colours_stay_colours_on_the_regular_grid(make: Any, tmp_path: Path) -> None:
    for k, z in enumerate((0.0, 2.0, 4.7, 6.0)):
        path = make(f"s/{k}.dcm", _noise(), ImagePositionPatient=[0, 0, z], RescaleSlope=None, RescaleIntercept=None)
        dataset = pydicom.dcmread(path)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = np.full((16, 24, 3), [40 * k, 0, 200]).astype(np.uint8).tobytes()
        dataset.save_as(path)
    volume = open_study(tmp_path / "s").series[0].load()
    assert volume.colour is not None
    assert volume.colour[0, 3, 3].tolist() == [0, 0, 200]
    assert volume.colour[-1, 3, 3].tolist() == [120, 0, 200]


@pytest.mark.parametrize("planar", [0, 1])
def test_planes_of_colours_are_put_together(make: Any, planar: int) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    path = make("a.dcm", _noise(), BitsStored=8, HighBit=7, RescaleSlope=None, RescaleIntercept=None)
    dataset = pydicom.dcmread(path)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", planar
    dataset.BitsAllocated = 8
    dataset.PixelData = (np.moveaxis(colours, -1, 0) if planar else colours).tobytes()
    dataset.save_as(path)
    np.testing.assert_array_equal(_load(path).colour[0], colours)  # type: ignore[index]


def test_the_window_of_a_large_volume_is_that_of_all_its_columns() -> None:
    from saliency_viewer.spatial import Geometry

    array = np.zeros((977, 32, 512), dtype=np.int16)
    array[..., 1:] = np.arange(1, 512)
    # 16 million voxels: every 32nd is looked at, and 32 divides the columns.
    window = Volume(array, Geometry.from_spacing(array.shape)).default_window()
    assert window.width > 400
