from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.runtime import files


def test_text_is_utf8_with_line_feeds(tmp_path):
    files.write_text(tmp_path / "deep" / "a.csv", "α\nβ\n")
    assert (tmp_path / "deep" / "a.csv").read_bytes() == "α\nβ\n".encode()


def test_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.nii.gz"
    files.write_bytes(target, b"old")

    def write_half():
        with files.atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_temporary_keeps_both_suffixes_since_writers_choose_by_them(tmp_path):
    with files.atomic_path(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")


def test_file_gets_the_users_mask_not_the_temporarys(tmp_path):
    old = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota"), (errno.EROFS, "read-only")]
)
def test_disk_that_refuses_becomes_a_sentence_without_the_path(tmp_path, number, word):
    folder = tmp_path / "Doe^Jane"
    folder.mkdir()
    with pytest.raises(UserError, match=word) as caught, files.atomic_path(folder / "a.png"):
        raise OSError(number, os.strerror(number), str(folder / "a.png"))
    error = caught.value
    assert error.hint
    assert "Doe" not in error.message + error.hint + error.detail
    assert list(folder.iterdir()) == []


def test_full_disk_is_met_for_real():
    full = Path("/dev/full")
    if not full.is_char_device():  # where it is missing, another program may have made a file of that name
        pytest.skip("this system has no device /dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        full.write_bytes(b"x")
    assert "full" in files.write_error(caught.value).message


def test_folder_where_a_file_stands_is_refused(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(UserError, match="A file stands"):
        files.make_folder(tmp_path / "taken")
    with pytest.raises(UserError, match="A file stands"):
        files.write_text(tmp_path / "taken" / "a.txt", "x")
