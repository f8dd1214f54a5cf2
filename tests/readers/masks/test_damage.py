"""Files with changed bytes, cut short, or with claims that nothing backs: an answer or a reason, never a crash."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from mask_files import circle, contour, ct_series, file_bytes, grid, ras_affine, saved, segmentation, structure_set
from PIL import Image
from pydicom.uid import RLELossless

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions

SHAPE = (4, 20, 24)
IMAGE = grid(SHAPE)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1:3, 3:12, 4:15], LABELS[2:, 13:18, 6:20] = 1, 2
_CHANGES = 120


def _nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(LABELS.transpose(2, 1, 0), ras_affine(IMAGE)), path)


def _itk(path: Path) -> None:
    image = SimpleITK.GetImageFromArray(LABELS)
    image.SetSpacing(IMAGE.spacing[::-1])
    image.SetOrigin(IMAGE.affine[:3, 3])
    image.SetMetaData("Segment0_Name", "liver")
    image.SetMetaData("Segment0_LabelValue", "1")
    SimpleITK.WriteImage(image, str(path))


def _picture(path: Path) -> None:
    Image.fromarray(LABELS[2]).save(path)


def _seg(path: Path) -> None:
    saved(segmentation(ct_series(IMAGE), LABELS, names=("liver", "lesion")), path)


def _packed(path: Path) -> None:
    dataset = segmentation(ct_series(IMAGE), LABELS, "LABELMAP", ("liver", "lesion"))
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    saved(dataset, path)


def _structures(path: Path) -> None:
    rings = [contour(circle((*IMAGE.to_patient([0, 10, 12])[:2], 100.0 + 2.5 * k), 5.0, 30)) for k in range(4)]
    saved(structure_set({"liver": rings, "lesion": rings[:2]}), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("mask.nii", _nifti),
        ("mask.nii.gz", _nifti),
        ("mask.seg.nrrd", _itk),
        ("mask.mha", _itk),
        ("mask.png", _picture),
        ("seg.dcm", _seg),
        ("packed.dcm", _packed),
        ("structures.dcm", _structures),
    ],
)
def test_changed_and_cut_files_give_regions_or_a_reason(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    write(path)
    image = grid((1, *SHAPE[1:])) if name.endswith("png") else IMAGE
    assert len(load_regions(path, image)) >= 1
    good = path.read_bytes()
    rng = np.random.default_rng(len(good))
    outcomes, told = set(), []
    for number in range(_CHANGES):
        bad = bytearray(good)
        # The first bytes, and those of a SEG's and a structure set's own sequences, say most.
        reach = len(good) if number % 2 else min(len(good), 400)
        for place in rng.integers(0, reach, rng.integers(1, 6)):
            bad[place] = rng.integers(0, 256)
        if number % 5 == 0:
            del bad[rng.integers(0, len(bad)) :]
        path.write_bytes(bad)
        try:
            regions = load_regions(path, image)
        except UserError as error:
            outcomes.add("refused")
            told.append(f"{error} {error.detail}")
        else:
            outcomes.add("read")
            told += regions.warnings
            assert all(region.mask(image.shape).shape == image.shape for region in regions.regions)
    assert outcomes == {"refused", "read"}
    assert not any("Zyxwv" in words or str(tmp_path) in words for words in told)


def _peak(path: Path) -> float:
    """MiB taken on the way to the refusal."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            load_regions(path, IMAGE)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_sizes_that_no_bytes_back_take_no_memory(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((20000, 20000, 200))
    header.set_data_dtype(np.float64)
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(100))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(100)))
    head = b"NRRD0004\ntype: double\ndimension: 3\nsizes: 20000 20000 200\nencoding: gzip\nspacings: 1 1 1\n\n"
    (tmp_path / "a.nrrd").write_bytes(head + gzip.compress(bytes(100)))
    large = segmentation(ct_series(IMAGE), LABELS, names=("liver", "lesion"))
    large.Rows = large.Columns = 65535
    saved(large, tmp_path / "large.dcm")
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "large.dcm"):
        assert _peak(tmp_path / name) < 20


def test_a_deflated_file_is_not_unpacked_beyond_all_bounds(tmp_path: Path) -> None:
    whole = file_bytes(segmentation(ct_series(IMAGE), LABELS, names=("liver", "lesion")))
    length = struct.unpack("<I", whole[140:144])[0]
    meta = bytearray(whole[132 : 144 + length]).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta[8:12] = struct.pack("<I", length + 2)
    place = bytes(meta).index(b"1.2.840.10008.1.2.1.99")
    meta[place - 2 : place] = struct.pack("<H", 22)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body: Any = packer.compress(whole[144 + length :])
    for _ in range(1100):
        body += packer.compress(bytes(2**20))
    (tmp_path / "bomb.dcm").write_bytes(whole[:132] + bytes(meta) + body + packer.flush())
    assert _peak(tmp_path / "bomb.dcm") < 20


def test_what_is_no_mask_at_all_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="no known format"):
        load_regions(tmp_path / "notes.txt", IMAGE)
    with pytest.raises(UserError, match="no such mask"):
        load_regions(tmp_path / "absent.nii", IMAGE)
    (tmp_path / "mark").write_bytes(bytes(128) + b"DICM" + bytes(20))
    with pytest.raises(UserError, match=r"holds no mask|damaged"):
        load_regions(tmp_path / "mark", IMAGE)
