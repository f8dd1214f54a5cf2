"""How the libraries themselves load what the packages hold, ready for an image."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.forms.subjects import CLASSES, Subject

Load = Callable[[Path, Subject], Any]


def _torchvision(folder: Path, subject: Subject) -> Any:
    from safetensors.torch import load_file
    from torchvision import models

    extra = {"init_weights": False, "aux_logits": False} if subject.torchvision == "inception_v3" else {}
    network = models.get_model(subject.torchvision, weights=None, num_classes=CLASSES, **extra)
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network.eval()


def _monai(folder: Path, subject: Subject) -> Any:
    from monai.networks import nets
    from safetensors.torch import load_file

    network = getattr(nets, subject.monai)(**subject.monai_arguments())
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network.eval()


def _timm(folder: Path, subject: Subject) -> Any:
    import timm

    return timm.create_model(
        subject.timm, num_classes=CLASSES, checkpoint_path=str(folder / "weights.safetensors")
    ).eval()


def _torchscript(folder: Path, _: Subject) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(folder / "model.ts"))


def _exported(folder: Path, _: Subject) -> Any:
    import torch

    return torch.export.load(folder / "model.pt2").module()


def _onnx(folder: Path, _: Subject) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def _keras(folder: Path, _: Subject) -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    return keras.saving.load_model(folder / "model.keras")


# By the start of a form's title.
LIBRARIES: dict[str, Load] = {
    "torchvision:": _torchvision,
    "monai:": _monai,
    "timm:": _timm,
    "torchscript": _torchscript,
    "exported": _exported,
    "onnx": _onnx,
    "keras": _keras,
}


def library_of(form: str) -> Load | None:
    """The loader for the form of that title, None where no library opens it."""
    return next((load for start, load in LIBRARIES.items() if form.startswith(start)), None)
