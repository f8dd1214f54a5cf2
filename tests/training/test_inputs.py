import errno
import os
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
import torch
from PIL import Image

from saliency_viewer.domain import ImageReference, InputSpec, TrainingCase
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training import inputs as module
from saliency_viewer.training.inputs import prepare_inputs

GREY = InputSpec(
    "2d",
    3,
    (20, 20),
    intensity=({"step": "minmax"}, {"step": "normalize", "mean": [0.4], "std": [0.2]}),
    pad_value=-2.0,
)


def picture(path, colour=False, seed=0):
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 256, (30, 44, 3) if colour else (30, 44), dtype=np.uint8)).save(path)
    return TrainingCase(path.stem, ImageReference(str(path)), f"of {path.stem}", 0)


@pytest.fixture
def cases(tmp_path):
    return [picture(tmp_path / f"{number}.png", seed=number) for number in range(5)]


def prepare(cases, tmp_path, spec=GREY, **more):
    return prepare_inputs(cases, spec, tmp_path / "inputs", lambda volume: f"digest {volume.array.sum()}", 2, **more)


def of_the_package(case, spec):
    """What a package with this card makes of the same image."""
    volume = open_study(case.image.path).choose().load()
    return Preparation(spec, volume).of((0,)).inputs[0]


@pytest.mark.parametrize("colour", [False, True])
def test_what_is_trained_on_is_what_the_package_prepares_bit_for_bit(tmp_path, colour):
    cases = [picture(tmp_path / f"{number}.png", colour, number) for number in range(3)]
    found = prepare(cases, tmp_path).load((2, 0, 1))
    assert found.shape == (3, 3, 20, 20)
    for row, index in zip(found, (2, 0, 1), strict=True):
        assert torch.equal(row, of_the_package(cases[index], GREY))


def test_equal_channels_are_kept_once(tmp_path):
    grey, coloured = picture(tmp_path / "grey.png"), picture(tmp_path / "coloured.png", True)
    inputs = prepare([grey, coloured], tmp_path)
    sizes = [(inputs.folder / name).stat().st_size for name in inputs.files]
    assert sizes[1] - sizes[0] == pytest.approx(2 * 20 * 20 * 4, abs=200)


def test_every_case_has_the_digest_of_its_image(tmp_path, cases):
    inputs = prepare(cases, tmp_path)
    wanted = [f"digest {open_study(case.image.path).choose().load().array.sum()}" for case in cases]
    assert list(inputs.digests) == wanted
    assert list(prepare(cases, tmp_path).digests) == wanted  # also of what was prepared before


def test_prepared_images_are_not_read_again_but_changed_ones_are(tmp_path, cases, monkeypatch):
    read = []
    plain = module.read_image
    monkeypatch.setattr(module, "read_image", lambda image: read.append(image.path) or plain(image))
    before = prepare(cases, tmp_path).load((3,))
    assert len(read) == 5
    prepare(cases, tmp_path)
    assert len(read) == 5
    picture(tmp_path / "3.png", seed=99)
    os.utime(tmp_path / "3.png", ns=(1, 1))
    assert not torch.equal(prepare(cases, tmp_path).load((3,)), before)
    assert len(read) == 6
    prepare(cases, tmp_path, replace(GREY, pad_value=0.0))
    assert len(read) == 11


def test_voxels_that_changed_behind_their_header_are_read_again(tmp_path):
    header, spec = tmp_path / "a.mhd", InputSpec("3d", 1, (4, 4, 4))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((4, 5, 6), 3, np.int16)), str(header))
    case = TrainingCase("a", ImageReference(str(header)), "p", 0)
    before = prepare([case], tmp_path, spec).digests
    voxels = header.with_suffix(".raw")
    voxels.write_bytes(np.full((4, 5, 6), 7, np.int16).tobytes())
    os.utime(voxels, ns=(1, 1))
    assert prepare([case], tmp_path, spec).digests == (f"digest {7 * 4 * 5 * 6}",)
    assert before == (f"digest {3 * 4 * 5 * 6}",)


def test_a_half_written_file_is_made_again(tmp_path, cases):
    inputs = prepare(cases, tmp_path)
    broken = inputs.folder / inputs.files[1]
    broken.write_bytes(broken.read_bytes()[:100])
    assert torch.equal(prepare(cases, tmp_path).load((1,))[0], of_the_package(cases[1], GREY))


def test_images_that_cannot_be_used_are_listed_and_the_others_stay_in_their_places(tmp_path, cases):
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "4.png").unlink()
    inputs = prepare(cases, tmp_path)
    assert set(inputs.failures) == {1, 4}
    assert torch.equal(inputs.load((3,))[0], of_the_package(cases[3], GREY))


def test_an_image_that_a_library_stumbles_over_is_one_of_them(tmp_path, cases, monkeypatch):
    plain = module.read_image

    def odd(image):
        if image.path.endswith("2.png"):
            raise ZeroDivisionError(image.path)
        return plain(image)

    monkeypatch.setattr(module, "read_image", odd)
    failures = prepare(cases, tmp_path).failures
    assert list(failures) == [2]
    assert "ZeroDivisionError" in failures[2].message
    assert "2.png" not in f"{failures[2]} {failures[2].detail}"


def test_a_volume_is_no_picture_and_a_picture_no_volume(tmp_path, cases):
    spec = InputSpec("3d", 1, (8, 8, 8))
    assert "single picture" in prepare(cases[:1], tmp_path, spec).failures[0].message
    pages = [Image.fromarray(np.full((9, 9), value, np.uint8)) for value in (1, 2, 3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    stack = TrainingCase("stack", ImageReference(str(tmp_path / "pages.tif")), "p", 0)
    error = prepare([stack], tmp_path).failures[0]
    assert "3 slices" in error.message
    assert "3D architecture" in error.hint


def test_a_disk_that_will_be_full_is_said_before_it_is(tmp_path, cases, monkeypatch):
    many = [cases[k % 5] for k in range(400)]
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 5, 100_000))
    with pytest.raises(UserError, match="prepared images need"):
        prepare(many, tmp_path)


def test_a_disk_that_fills_up_on_the_way_is_no_fault_of_the_images(tmp_path, cases, monkeypatch):
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="The disk is full"):
        prepare(cases, tmp_path)


def test_stopping_keeps_what_was_prepared(tmp_path, cases):
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Cancelled):
        prepare(cases, tmp_path, context=RunContext(cancel=cancel))
    assert len(list((tmp_path / "inputs").glob("*.safetensors"))) == 3
