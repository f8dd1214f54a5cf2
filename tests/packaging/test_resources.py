"""The shipped files are found from a checkout, an editable install, a wheel and a frozen program."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.runtime import resources

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_finds_its_resources() -> None:
    assert resources.resource_path("models", "chest", "model.toml").is_file()


def test_a_frozen_program_looks_in_its_own_folder_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inside = tmp_path / "saliency_viewer" / "resources" / "models"
    inside.mkdir(parents=True)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert resources.resource_path("models") == inside


def test_a_missing_resource_is_a_broken_installation() -> None:
    with pytest.raises(UserError, match="missing"):
        resources.resource_path("no-such-thing")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build back end is not installed")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(out), str(ROOT)], check=True, timeout=240)
    return next(out.glob("*.whl"))


def test_a_wheel_carries_the_resources_inside_the_package(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "from saliency_viewer.runtime.resources import resource_path;"
        "print(resource_path('models', 'chest', 'weights.safetensors'))"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    # Run elsewhere with only the unpacked wheel on the path, so that the checkout cannot help.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "saliency_viewer" / "resources")
