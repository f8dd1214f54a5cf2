"""Whether an installation works: what breaks when files are missing, libraries clash or a freeze went wrong."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.codecs import CODECS, encode
from saliency_viewer.pipeline.messages import Done, Failed, Job
from saliency_viewer.pipeline.process import ComputeProcess
from saliency_viewer.runtime.resources import resource_path

if TYPE_CHECKING:
    from saliency_viewer.phantoms import Phantom

MODULES = (
    "numpy",
    "scipy",
    "pydicom",
    "gdcm",
    "nibabel",
    "SimpleITK",
    "PIL",
    "matplotlib",
    "safetensors",
    "torch",
    "torchvision",
    "PySide6.QtWidgets",
)
_PATIENCE = 180.0  # seconds; a compute process on a slow disk starts cold
_SEED = 1


@dataclass(frozen=True)
class Check:
    """One line of the self-test. ``fault`` is empty when it passed."""

    name: str
    fault: str
    seconds: float


def self_test() -> Iterator[Check]:
    """Run every check and yield it as it ends; the installation works when no fault is named."""
    for module in MODULES:
        yield _check(f"import {module}", partial(importlib.import_module, module))
    for codec in CODECS:
        yield _check(f"decode {codec.name}", partial(_decode, codec.syntax))
    yield _check("DICOM round trip", _dicom_round_trip)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        yield _check("map through the compute process", partial(_map_in_process, folder))


def _check(name: str, action: Callable[[], Any]) -> Check:
    start = time.perf_counter()
    fault = ""
    try:
        action()
    except UserError as error:
        fault = f"{error} {error.detail}".strip()
    except Exception as error:  # the purpose is to name whatever is broken, and to look at the rest as well
        fault = f"{type(error).__name__}: {error}"
    return Check(name, fault, time.perf_counter() - start)


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise UserError(fault, "Install Saliency Viewer again.")


def _chest() -> Phantom:
    from saliency_viewer.phantoms import chest_phantom

    return chest_phantom(_SEED, lesion="left")


def _decode(syntax: str) -> None:
    """An image that was compressed here must come back through the program's own reader."""
    from saliency_viewer.readers import open_study

    expected = _test_picture()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "image.dcm"
        lossy = encode(expected, syntax, path)
        found = np.asarray(open_study(path).choose().load().array, dtype=np.float64)[0]
    _require(float(np.abs(found - expected).max()) <= (8.0 if lossy else 0.0), "A compressed image is decoded wrongly.")


def _test_picture() -> NDArray[np.uint8]:
    """A smooth 64 x 48 picture: codecs of every kind keep it."""
    rows, columns = np.mgrid[0:64, 0:48]
    return np.asarray(120 + 60 * np.sin(rows / 9.0) + 40 * np.cos(columns / 7.0), dtype=np.uint8)


def _dicom_round_trip() -> None:
    from saliency_viewer.phantoms import write_dicom_dx
    from saliency_viewer.readers import open_study

    phantom = _chest()
    with tempfile.TemporaryDirectory() as scratch:
        write_dicom_dx(phantom, Path(scratch))
        volume = open_study(Path(scratch)).choose().load()
    _require(bool(np.array_equal(volume.array, phantom.volume.array)), "A DICOM image came back with other values.")


def _map_in_process(folder: Path) -> None:
    from saliency_viewer.phantoms import write_dicom_dx

    write_dicom_dx(_chest(), folder)
    plan = AnalysisPlan(
        ImageReference(str(folder)), str(resource_path("models", "chest")), (MethodRequest("grad-cam"),), device="cpu"
    )
    process = ComputeProcess()
    process.start()
    try:
        process.submit(Job(1, plan))
        amap = _wait_for(process).result.maps[0]
    finally:
        process.close()
    _require(not amap.is_empty(), "The test map is empty.")


def _wait_for(process: ComputeProcess) -> Done:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for event in process.events(0.5):
            if isinstance(event, Done):
                return event
            if isinstance(event, Failed):
                raise UserError(event.message, event.hint, event.detail)
    raise UserError("The compute process gives no answer.", "Install Saliency Viewer again.")
