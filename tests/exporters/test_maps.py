from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from saliency_viewer.domain import AnalysisResult, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.exporters import export_maps, write_statistics, write_summary_plot
from saliency_viewer.measure import region_statistics
from saliency_viewer.runtime import files


def test_the_tree_is_the_agreed_one(result: AnalysisResult, regions: RegionSet, tmp_path: Path) -> None:
    written = export_maps(result, regions, tmp_path, "sub-01")
    expected = {
        f"grad-cam/sub-01/sub-01_grad-cam_{end}"
        for end in ("summary.png", "slice_01.png", "slice_03.png", "attributions.npy", "attributions.nii.gz")
    }
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == expected == {path.relative_to(tmp_path).as_posix() for path in written}


def test_npy_and_nifti_hold_the_raw_signed_map(result: AnalysisResult, tmp_path: Path) -> None:
    export_maps(result, None, tmp_path, "s")
    array = np.load(next(tmp_path.rglob("*.npy")), allow_pickle=False)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, result.maps[0].array)
    nifti = np.asarray(nibabel.load(next(tmp_path.rglob("*.nii.gz"))).dataobj)
    np.testing.assert_array_equal(nifti.transpose(2, 1, 0), array)


def test_pictures_open_and_carry_no_metadata(result: AnalysisResult, regions: RegionSet, tmp_path: Path) -> None:
    export_maps(result, regions, tmp_path, "s")
    pictures = list(tmp_path.rglob("*.png"))
    assert len(pictures) == 3
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.mode == "RGB"
            assert not picture.info


def test_exporting_twice_gives_the_same_bytes(result: AnalysisResult, regions: RegionSet, tmp_path: Path) -> None:
    first = export_maps(result, regions, tmp_path / "a", "s")
    second = export_maps(result, regions, tmp_path / "b", "s")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_pictures_of_a_replaced_map_go_with_it(result: AnalysisResult, regions: RegionSet, tmp_path: Path) -> None:
    method = result.maps[0].method
    folder = export_maps(result, regions, tmp_path, "case")[0].parent
    (folder / f"case_{method}_slice_77.png").write_bytes(b"of an earlier run")
    (folder / "notes.png").write_bytes(b"the user's own")
    written = export_maps(result, regions, tmp_path, "case")
    assert sorted(folder.iterdir()) == sorted(
        [*(path for path in written if path.parent == folder), folder / "notes.png"]
    )


def test_a_map_without_evidence_exports_finite_values(result: AnalysisResult, tmp_path: Path) -> None:
    empty = dataclasses.replace(result.maps[0], array=np.zeros_like(result.maps[0].array))
    export_maps(dataclasses.replace(result, maps=(empty,)), None, tmp_path, "s")
    assert not np.load(next(tmp_path.rglob("*.npy"))).any()


def test_the_summary_plot_is_written_also_without_rows(
    result: AnalysisResult, regions: RegionSet, tmp_path: Path
) -> None:
    for name, rows in (("none.png", ()), ("some.png", region_statistics(result.maps[0], regions))):
        with Image.open(write_summary_plot(rows, tmp_path / name)) as picture:
            assert min(picture.size) > 50


@pytest.mark.parametrize("allowed", [0, 1, 4])
def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(
    result: AnalysisResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    written = []
    flush = files._flush_to_disk

    def fill(path: Path) -> None:
        if len(written) == allowed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        flush(path)

    monkeypatch.setattr(files, "_flush_to_disk", fill)
    with pytest.raises(UserError, match="disk is full") as caught:
        export_maps(result, None, tmp_path, "s")
    assert str(tmp_path) not in str(caught.value) + caught.value.detail
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_table_survives_a_full_disk_unharmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_statistics([], tmp_path / "s.csv")
    before = path.read_bytes()

    def refuse(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(UserError, match="disk is full"):
        write_statistics([], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a tiny disk needs root")
def test_a_really_full_disk_ends_in_the_same_sentence(tmp_path: Path) -> None:
    # A mount name space of its own: nothing stays mounted, whatever happens.
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from saliency_viewer.errors import UserError\n"
        "from saliency_viewer.runtime.files import write_bytes\n"
        "target = Path(sys.argv[1]) / 'map.npy'\n"
        "try:\n"
        "    write_bytes(target, bytes(4 << 20))\n"
        "except UserError as error:\n"
        "    sys.stdout.write(error.message + '|' + str(sorted(p.name for p in target.parent.iterdir())))\n"
    )
    shell = 'mount -t tmpfs -o size=256k none "$0" && exec "$1" -c "$2" "$0"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", shell, str(tmp_path), sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    if (done.returncode and "mount" in done.stderr + done.stdout) or "unshare" in done.stderr:
        pytest.skip("this container may not mount a disk")
    assert done.stdout == "The disk is full, so nothing more could be written.|[]", done.stderr
