from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from saliency_viewer.domain import (
    AnalysisResult,
    AttributionMap,
    ImageReference,
    InputSpec,
    ModelCard,
    OutputSpec,
    Prediction,
    Provenance,
    Series,
    Study,
    Unreadable,
    Validity,
    Volume,
)
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.pipeline import AnyJob, DescribeModel, Done, Errand, Job
from saliency_viewer.session import Autosave
from saliency_viewer.spatial import Geometry

CARD = """
[model]
name = "Tiny plane"
version = "0.1"
architecture = "builtin:small-cnn-2d"
weights = "weights.safetensors"
arguments = { width = 4, downsamplings = 1 }
[output]
classes = ["well", "sick"]
activation = "softmax"
aggregate = "max"
[input]
layout = "2d"
channels = 1
size = [24, 20]
fit = "letterbox"
intensity = [{ step = "minmax" }]
"""
SHAPE = (6, 20, 18)


class FakeProcess:
    """Takes jobs and says what the test puts in."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.errands: list[Errand] = []
        self.cancelled: list[int | str] = []
        self.pending: list[object] = []
        self.closed = False
        self._wake = threading.Event()

    def start(self) -> None:
        pass

    @property
    def models(self) -> list[Errand]:
        """The models that were to be loaded."""
        return [one for one in self.errands if isinstance(one.request, DescribeModel)]

    def submit(self, job: AnyJob) -> None:
        if isinstance(job, Errand):
            self.errands.append(job)
        else:
            self.jobs.append(job)

    def cancel(self, job_id: int | str) -> None:
        self.cancelled.append(job_id)

    def say(self, *events: object) -> None:
        self.pending.extend(events)
        self._wake.set()

    def say_result(self, result: AnalysisResult) -> None:
        """The newest job is done."""
        self.say(Done(self.jobs[-1].id, result))

    def events(self, timeout: float = 0.1) -> list[object]:
        self._wake.wait(timeout)
        self._wake.clear()
        found, self.pending = self.pending, []
        return found

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


@pytest.fixture
def process() -> FakeProcess:
    return FakeProcess()


@pytest.fixture
def window(qtbot, tmp_path: Path, process: FakeProcess):
    made = MainWindow(ComputeWorker(process), Autosave(tmp_path / "autosave"))
    qtbot.addWidget(made)
    made.show()
    made.start()
    yield made
    made.state.forget_changes()
    made.close()
    assert not made.worker.isRunning()
    assert process.closed


@pytest.fixture
def real_window(qtbot, tmp_path: Path):
    """A window with a compute process of its own."""
    made = MainWindow(autosave=Autosave(tmp_path / "autosave", 0.0))
    qtbot.addWidget(made)
    made.show()
    made.start()
    yield made
    made.state.forget_changes()
    made.close()


@pytest.fixture
def volume() -> Volume:
    array = np.random.default_rng(4).integers(0, 900, SHAPE).astype(np.int16)
    return Volume(array, Geometry.from_spacing(SHAPE, (3.0, 1.0, 1.0), "patient"), "CT", units="HU")


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        "Tiny", "1", "builtin:small-cnn-2d", "w", OutputSpec(("well", "sick")), InputSpec(), modality=("CT",)
    )


@pytest.fixture
def make_result(volume: Volume, card: ModelCard) -> Callable[..., AnalysisResult]:
    def make(methods: tuple[str, ...] = ("grad-cam",), predicted: bool = True) -> AnalysisResult:
        values = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
        maps = tuple(
            AttributionMap(
                values,
                volume.geometry,
                name,
                "sick",
                Validity("verified"),
                Provenance(name, {}, "sick", 0),
                target_is_predicted=predicted,
                probability=0.9,
            )
            for name in methods
        )
        said = Prediction(("well", "sick"), np.array([-1.0, 1.0]), np.array([0.12, 0.88]), 1)
        return AnalysisResult(volume, said, maps, card, "ab" * 32, "cd" * 32)

    return make


@pytest.fixture
def opened(qtbot, process: FakeProcess, window: MainWindow, volume: Volume, card: ModelCard) -> MainWindow:
    """A window with an image and a model, which the worker's thread has been asked to load."""
    window.state.add_cases([Case(ImageReference("nowhere"), None, "Case 1", volume, "cd" * 32)])
    window.state.set_model("package", card)
    window.state.show(0)
    qtbot.waitUntil(lambda: bool(process.models))
    return window


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    import torch

    from saliency_viewer.models import write_package
    from saliency_viewer.models.builtin import SmallCNN

    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(11)
        write_package(folder, CARD, SmallCNN(2, width=4, downsamplings=1).state_dict())
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    data = np.random.default_rng(1).integers(0, 900, (18, 22, 7)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


@pytest.fixture
def mask(tmp_path: Path, image: Path) -> Path:
    labels = np.zeros((18, 22, 7), dtype=np.uint8)
    labels[3:9, 4:12, 2:5] = 1
    labels[11:15, 4:12, 2:5] = 2
    path = tmp_path / "regions.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, nibabel.load(image).affine), path)
    return path


@pytest.fixture(autouse=True)
def nothing_left(qapp: QApplication):
    yield
    assert not [one for one in qapp.topLevelWidgets() if one.isVisible() and isinstance(one, MainWindow)]


@pytest.fixture
def make_series() -> Callable[..., Series]:
    """A series whose pixels are made when they are asked for; ``shape`` and ``fields`` are its volume's."""

    def make(number: int = 1, shape: tuple[int, int, int] = SHAPE, calibration: str = "patient", **fields) -> Series:
        about = {key: fields.pop(key) for key in ("group", "warnings", "grids", "other_loader") if key in fields}
        loader = fields.pop("loader", None)
        oriented = fields.pop("oriented", calibration == "patient")
        array = np.random.default_rng(number).integers(0, 900, shape).astype(np.int16)
        geometry = Geometry.from_spacing(shape, (3.0, 1.0, 1.0), calibration, oriented)
        geometry = replace(geometry, through_space=oriented or calibration == "patient")
        fields = {"modality": "CT", "units": "HU", "warnings": about.get("warnings", ()), **fields}
        return Series(
            f"1.2.{number}", number, fields["modality"], f"Thorax {number}", *shape[1:], shape[0], (3.0, 1.0, 1.0),
            "axial", "", loader or (lambda _context: Volume(array, geometry, **fields)), **about,
        )  # fmt: skip

    return make


@pytest.fixture
def show_series(
    qtbot, window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., MainWindow]:
    """Opens a path that holds these series, and waits until the largest is shown and has its name."""

    def show(*series: Series, unreadable: tuple[Unreadable, ...] = ()) -> MainWindow:
        study = Study(str(tmp_path), series, unreadable=unreadable)
        monkeypatch.setattr("saliency_viewer.readers.open_study", lambda *_: study)
        window.intents.open_paths.emit([str(tmp_path)])
        qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
        return window

    return show
