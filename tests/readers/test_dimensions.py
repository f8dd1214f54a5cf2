"""Series of many stacks: echoes, b-values, phases, orientations are told apart by what the files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from saliency_viewer.readers import open_study


@pytest.fixture
def write(make: Any, tmp_path: Path) -> Any:
    """``write(planes)``: each plane is (value, place along z, attributes); written in an order that says nothing."""

    def planes(found: list[tuple[int, float, dict[str, Any]]]) -> Path:
        for k in np.random.default_rng(3).permutation(len(found)):
            value, z, changes = found[k]
            make(
                f"s/{k:03d}.dcm",
                np.full((4, 5), value),
                RescaleIntercept=0,
                **({"ImagePositionPatient": [0, 0, z], "InstanceNumber": int(k) + 1} | changes),
            )
        return tmp_path / "s"

    return planes


def _stacks(folder: Path) -> dict[str, list[int]]:
    return {one.description: one.load().array[:, 0, 0].tolist() for one in open_study(folder).series}


def test_echoes_are_sorted_by_their_numbers_and_named(write: Any) -> None:
    folder = write([(100 * e + z, z, {"EchoTime": t}) for e, t in enumerate([5, 10, 100]) for z in range(3)])
    assert _stacks(folder) == {
        "echo time 5 ms": [0, 1, 2],
        "echo time 10 ms": [100, 101, 102],
        "echo time 100 ms": [200, 201, 202],
    }


def test_a_missing_slice_of_one_b_value_does_not_mix_them(write: Any) -> None:
    # By rank within each place, slice 1 of b 500 would be taken for b 0's.
    folder = write(
        [(1000 + z, z, {"DiffusionBValue": 0.0}) for z in (0, 2, 3)]
        + [(500 + z, z, {"DiffusionBValue": 500.0}) for z in range(4)]
    )
    found = _stacks(folder)
    assert found["b-value 500 s/mm²"] == [500, 501, 502, 503]
    assert found["b-value 0 s/mm²"] == pytest.approx([1000, 1001, 1002, 1003])  # the gap is filled linearly


@pytest.mark.parametrize(
    ("creator", "group", "element", "code", "values"),
    [
        ("SIEMENS MR HEADER", 0x0019, 0x0C, "IS", ["50", "400"]),
        ("GEMS_PARM_01", 0x0043, 0x39, "IS", [["1000000050", "8", "0", "0"], ["1000000400", "8", "0", "0"]]),
        ("Philips Imaging DD 001", 0x2001, 0x03, "FL", [50.0, 400.0]),
    ],
)
def test_b_values_of_the_makers_count(
    write: Any, creator: str, group: int, element: int, code: str, values: list[Any]
) -> None:
    folder = write([(100 * b + z, z, {"AcquisitionNumber": b}) for b in range(2) for z in range(3)])
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        which = int(dataset.AcquisitionNumber)
        dataset.private_block(group, creator, create=True).add_new(element, code, values[which])
        dataset.save_as(path)
    assert set(_stacks(folder)) == {"b-value 50 s/mm²", "b-value 400 s/mm²"}


def test_two_dimensions_together_make_the_stacks(write: Any) -> None:
    folder = write(
        [
            (100 * e + 10 * k + z, z, {"EchoTime": 5 + e, "ImageType": ["ORIGINAL", "PRIMARY", kind]})
            for e in range(2)
            for k, kind in enumerate("MP")
            for z in range(3)
        ]
    )
    assert _stacks(folder) == {
        "echo time 5 ms, m": [0, 1, 2],
        "echo time 5 ms, p": [10, 11, 12],
        "echo time 6 ms, m": [100, 101, 102],
        "echo time 6 ms, p": [110, 111, 112],
    }


def test_phases_whose_trigger_times_differ_in_every_slice_are_ordered_within_each(write: Any) -> None:
    folder = write(
        [(100 * t + z, z, {"TriggerTime": 30 * t + z, "InstanceNumber": 1}) for t in range(3) for z in range(4)]
    )
    assert list(_stacks(folder).values()) == [[100 * t + z for z in range(4)] for t in range(3)]


def test_one_slice_taken_again_under_another_number_keeps_the_volume_whole(write: Any) -> None:
    # Acquisitions 1 and 2 are two halves of one volume; one of the slices exists twice.
    planes = [(z, z, {"AcquisitionNumber": 1 + (z > 2)}) for z in range(6)]
    folder = write([*planes, (2, 2, {"AcquisitionNumber": 1, "InstanceNumber": 99})])
    series = open_study(folder).series
    assert [one.slices for one in series] == [6]
    assert any("duplicate slice: 1 of 7" in words for words in series[0].warnings)


def test_orientations_are_kept_apart_and_rounding_is_not_one(write: Any) -> None:
    axial = [(z, z, {"ImageOrientationPatient": [1, 1e-4 * (z % 2), 0, 0, 1, 0]}) for z in range(4)]
    coronal = [
        (50 + k, 0, {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "ImagePositionPatient": [0, k, 0]})
        for k in range(3)
    ]
    assert sorted(_stacks(write(axial + coronal)).items()) == [("axial", [0, 1, 2, 3]), ("coronal", [50, 51, 52])]


def test_frames_of_an_enhanced_file_are_split_by_their_time(make: Any) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    path = make("a.dcm", np.stack([np.full((4, 5), v) for v in (0, 10, 1, 11)]), NumberOfFrames=4, RescaleIntercept=0)
    dataset = pydicom.dcmread(path)
    groups = []
    for place, time in ((0, 1), (0, 2), (1, 1), (1, 2)):
        group, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient, content.TemporalPositionIndex = [0, 0, 3 * place], time
        content.StackID = "1"
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([position]), Sequence([content])
        groups.append(group)
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PlaneOrientationSequence = Sequence([orientation])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    dataset.save_as(path)
    assert _stacks(path) == {"time 1": [0, 1], "time 2": [10, 11]}


def test_images_at_one_single_place_are_all_kept(write: Any) -> None:
    folder = write(
        [(10 * e + t, 0, {"EchoTime": 5 + e, "TemporalPositionIdentifier": t}) for e in range(2) for t in range(3)]
    )
    assert sorted(found[0] for found in _stacks(folder).values()) == [0, 1, 2, 10, 11, 12]


def test_images_that_differ_in_nothing_but_their_numbers_are_all_kept(write: Any) -> None:
    assert sorted(found[0] for found in _stacks(write([(k, 0, {}) for k in range(7)])).values()) == list(range(7))


def test_two_phases_a_hair_beside_each_other_are_not_one_volume(write: Any) -> None:
    folder = write(
        [(100 * t + z, z + 0.05 * t, {"TemporalPositionIdentifier": t + 1}) for t in range(2) for z in range(5)]
    )
    assert _stacks(folder) == {"time 1": [0, 1, 2, 3, 4], "time 2": [100, 101, 102, 103, 104]}


def test_a_missing_plane_leaves_the_other_times_in_their_stacks(write: Any) -> None:
    planes = [(100 * t + z, z, {"TriggerTime": 30 * t + z}) for t in range(3) for z in range(4)]
    folder = write([plane for plane in planes if plane[0] != 2])  # time 0 lacks its third slice
    found = list(_stacks(folder).values())
    np.testing.assert_allclose(found[0], [0, 1, 2, 3])  # filled from its neighbours
    assert found[1:] == [[100, 101, 102, 103], [200, 201, 202, 203]]


def test_where_nothing_says_which_stack_lacks_a_plane_all_say_so(write: Any) -> None:
    planes = [(100 * t + z, z, {"InstanceNumber": 1}) for t in range(2) for z in range(4)]
    series = open_study(write(planes[:-1])).series
    assert len(series) == 2
    assert all("do not say which stack" in " ".join(one.warnings) for one in series)


def test_slices_turned_by_half_a_degree_are_not_one_stack(write: Any) -> None:
    turn = np.deg2rad(0.7)
    turned = [round(float(np.cos(turn)), 6), round(float(np.sin(turn)), 6), 0, round(float(-np.sin(turn)), 6)]
    turned += [round(float(np.cos(turn)), 6), 0]
    folder = write([(z, z, {"ImageOrientationPatient": turned if z % 2 else [1, 0, 0, 0, 1, 0]}) for z in range(6)])
    assert [one.slices for one in open_study(folder).series] == [3, 3]


def _enhanced(make: Any, frames: list[tuple[int, float, str, float]]) -> Path:
    """Frames of (value, place, stack, pixel size)."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    planes = np.stack([np.full((4, 5), value) for value, *_ in frames])
    path = make("e.dcm", planes, NumberOfFrames=len(frames), RescaleIntercept=0)
    dataset = pydicom.dcmread(path)
    groups = []
    for _, place, stack, size in frames:
        group, position, content, measures, turn = (Dataset() for _ in range(5))
        position.ImagePositionPatient, content.StackID = [0, 0, place], stack
        measures.PixelSpacing, turn.ImageOrientationPatient = [size, size], [1, 0, 0, 0, 1, 0]
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([position]), Sequence([content])
        group.PixelMeasuresSequence, group.PlaneOrientationSequence = Sequence([measures]), Sequence([turn])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    dataset.save_as(path)
    return Path(path)


def test_two_stacks_far_apart_are_two_and_nothing_is_made_up_between_them(make: Any) -> None:
    left, right = [(z, float(z), "1", 1.0) for z in range(4)], [(50 + z, 130.0 + z, "2", 1.0) for z in range(4)]
    assert list(_stacks(_enhanced(make, left + right)).values()) == [[0, 1, 2, 3], [50, 51, 52, 53]]


def test_frames_of_different_pixel_size_are_not_one_stack(make: Any) -> None:
    series = open_study(_enhanced(make, [(z, float(z), "1", 1.0 if z < 3 else 0.5) for z in range(6)])).series
    assert [one.spacing_mm[1] if one.spacing_mm else None for one in series] == [1.0, 0.5]


def test_a_wide_gap_is_left_empty(write: Any) -> None:
    volume = open_study(write([(100 + z, z, {}) for z in (0, 1, 2, 12, 13, 14)])).series[0].load()
    assert "left empty" in " ".join(volume.warnings)
    assert volume.array[:3, 0, 0].tolist() == [100, 101, 102]
    assert volume.array[-3:, 0, 0].tolist() == [112, 113, 114]
    assert (volume.array[3:12] == 100).all()  # the image's lowest value
