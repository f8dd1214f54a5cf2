"""What each entry point may bring into a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "captum", "zennit", "monai")
QT = ("PySide6", "pyqtgraph")


def loaded_after(statement: str) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh process after ``statement``."""
    script = f"import json, sys\n{statement}\nsys.stdout.write(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "statement",
    [
        "import saliency_viewer.pipeline",
        "import saliency_viewer.cli",
        "import saliency_viewer.pipeline.compute_main",
        "import saliency_viewer.__main__",
    ],
)
def test_computing_and_the_command_line_leave_qt_out(statement: str) -> None:
    assert not loaded_after(statement) & set(QT)


@pytest.mark.parametrize(
    "statement",
    [
        "import saliency_viewer",
        "from saliency_viewer import METHODS",
        "from saliency_viewer.domain import parameter_specs\n"
        "from saliency_viewer import METHODS\n"
        "[parameter_specs(m.Parameters) for m in METHODS]",
        "import saliency_viewer.pipeline",
        "import saliency_viewer.cli",
        "import saliency_viewer.readers, saliency_viewer.render, saliency_viewer.measure, saliency_viewer.session",
        "import saliency_viewer.gui.window",
    ],
)
def test_the_windows_process_never_gets_torch(statement: str) -> None:
    assert not loaded_after(statement) & set(HEAVY)


def test_the_package_itself_costs_nothing() -> None:
    assert not loaded_after("import saliency_viewer") & {*HEAVY, *QT, "numpy", "scipy", "pydicom", "matplotlib"}
