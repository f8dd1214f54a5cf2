from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saliency_viewer.cli import run
from saliency_viewer.pipeline import self_test
from saliency_viewer.pipeline.codecs import CODECS, encode


def test_every_check_of_this_installation_passes() -> None:
    checks = list(self_test())
    assert [check for check in checks if check.fault] == []
    names = " ".join(check.name for check in checks)
    for word in ("torch", "PySide6", "JPEG 2000", "JPEG-LS", "RLE", "DICOM round trip", "compute process"):
        assert word in names


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_each_codec_really_writes_its_transfer_syntax(codec: Any, tmp_path: Path) -> None:
    import pydicom

    picture = np.tile(np.arange(48, dtype=np.uint8) * 3, (64, 1))
    encode(picture, codec.syntax, tmp_path / "image.dcm")
    dataset = pydicom.dcmread(tmp_path / "image.dcm")
    assert dataset.file_meta.TransferSyntaxUID == codec.syntax
    assert np.abs(dataset.pixel_array.astype(int) - picture).max() <= 8


def test_a_broken_part_is_named_and_the_status_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib

    real = importlib.import_module("saliency_viewer.pipeline.self_test")
    monkeypatch.setattr(real, "MODULES", ("numpy", "no_such_library"))
    monkeypatch.setattr(real, "CODECS", ())
    monkeypatch.setattr(real, "_dicom_round_trip", lambda: None)
    monkeypatch.setattr(real, "_map_in_process", lambda _folder: None)
    assert run(["--self-test"]) == 1
    shown = capsys.readouterr()
    assert "FAILED  import no_such_library" in shown.out
    assert "No module named 'no_such_library'" in shown.out
    assert "ok      import numpy" in shown.out
    assert "1 check of the installation failed" in shown.err
