import errno
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.pipeline import check_training


def test_it_says_what_is_there_what_it_takes_and_leaves_nothing(pictures, plan_for, tmp_path):
    plan = plan_for(pictures())
    before = set(tmp_path.rglob("*"))
    said = check_training(plan)
    text = "\n".join(said)
    counts = [int(line.split()[1]) for line in said[:3]]
    assert sum(counts) == 40
    assert said[0].startswith("Training:")
    for words in (
        "kind 0",
        "Small CNN",
        "input 1 x 24 x 24",
        "percentile, minmax",
        "An epoch on cpu: about",
        "Memory:",
    ):
        assert words in text
    assert set(tmp_path.rglob("*")) == before


def test_a_size_that_the_network_cannot_take_is_said(pictures, plan_for):
    plan = plan_for(pictures(), "p", "inception-v3", size=48)
    with pytest.raises(UserError, match="InceptionV3 cannot take images of 48 x 48") as caught:
        check_training(plan)
    assert "299" in caught.value.hint


def test_an_image_that_cannot_be_decoded_is_said(pictures, plan_for):
    table = pictures()
    for path in table.parent.glob("scan *.png"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError) as caught:
        check_training(plan_for(table))
    assert "An image cannot be used" in caught.value.message
    assert "scan" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "0 is out of range for epochs"),
        ({"augment": "wild"}, "wild is out of range for augment"),
        ({"validation": 0.6, "test": 0.5}, "none are left to train on"),
    ],
)
def test_settings_that_cannot_be_are_refused(pictures, plan_for, change, words):
    with pytest.raises(UserError, match=words):
        check_training(plan_for(pictures(), **change))


def test_a_3d_network_for_pictures_is_refused(pictures, plan_for):
    with pytest.raises(UserError, match="single picture"):
        check_training(plan_for(pictures(), "p", "small-cnn-3d"))


def test_an_absent_gpu_is_said(pictures, plan_for, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plan = replace(plan_for(pictures()), device="cuda")
    with pytest.raises(UserError, match="no CUDA device"):
        check_training(plan)
    assert not Path(plan.out).exists()


def test_a_place_that_cannot_be_written_is_said(pictures, plan_for, tmp_path, monkeypatch):
    plan = plan_for(pictures(), "file/deep/package")
    (tmp_path / "file").write_text("notes")
    with pytest.raises(UserError, match="A file stands where the output folder should be"):
        check_training(plan)

    real = tempfile.mkdtemp

    def refused(*args, dir=None, **options):
        if dir is not None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(*args, **options)

    plan = replace(plan, out=str(tmp_path / "a" / "b"))
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", refused)
        with pytest.raises(UserError, match="may not be written"):
            check_training(plan)
    assert check_training(plan)
    assert not (tmp_path / "a").exists()


def test_a_folder_with_other_files_is_said(pictures, plan_for):
    plan = plan_for(pictures())
    Path(plan.out).mkdir()
    (Path(plan.out) / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds other files"):
        check_training(plan)


def test_a_disk_that_is_too_small_is_said_unless_an_earlier_run_used_it(pictures, plan_for, tmp_path, monkeypatch):
    plan = plan_for(pictures())
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**21))
    with pytest.raises(UserError, match=r"about \d MiB on the disk of its package, where 2 MiB are free"):
        check_training(plan)
    (tmp_path / "package.training").mkdir()
    (tmp_path / "package.training" / "input.npy").write_bytes(bytes(2**25))
    assert check_training(plan)


def test_a_stopped_training_is_mentioned(pictures, plan_for, tmp_path):
    plan = plan_for(pictures())
    assert not any("--anew" in one for one in check_training(plan))
    (tmp_path / "package.training").mkdir()
    (tmp_path / "package.training" / "checkpoint.safetensors").touch()
    assert any("--anew" in one for one in check_training(plan))
