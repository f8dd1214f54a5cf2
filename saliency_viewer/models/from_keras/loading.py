"""From a Keras file to a Keras model, by Keras' own loader."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.from_keras.allowed import allowed_config
from saliency_viewer.models.from_keras.container import KerasFile
from saliency_viewer.models.from_keras.keras_2 import modern_nodes
from saliency_viewer.models.from_keras.library import keras_library, quiet, to_numpy


def load_model(file: KerasFile) -> Any:
    """The ``keras.Model`` in a file, on the CPU, with its weights.

    Keras is given a copy of the file in which the description is the one that :func:`allowed_config` put together.

    Raises
    ------
    UserError
        When the file holds code, or Keras cannot read it.
    """
    keras = keras_library()
    config = allowed_config(modern_nodes(file.config))
    with tempfile.TemporaryDirectory() as folder, quiet(), keras.device("cpu"):
        try:
            return _loaded(keras, file, config, Path(folder))
        except Exception as error:  # Keras raises nearly anything for a file that does not fit itself
            said = str(error).replace(folder, "").strip().splitlines() or [""]
            raise UserError(
                "Keras cannot load this network.",
                f"Save it again with the latest Keras 3 (Keras {keras.__version__} is installed here).",
                f"{type(error).__name__}: {said[0][:300]}",
            ) from error


def _loaded(keras: Any, file: KerasFile, config: dict[str, Any], folder: Path) -> Any:
    if file.legacy:
        path = folder / "network.h5"
        path.write_bytes(file.weights)
        _describe(path, config)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    path = folder / "network.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("model.weights.h5", file.weights)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _describe(path: Path, config: dict[str, Any]) -> None:
    """Put the description into an HDF5 file, with the weights where Keras looks for them."""
    import h5py

    with h5py.File(path, "r+") as file:
        for name in ("model_config", "training_config"):
            file.attrs.pop(name, None)
        file.attrs["model_config"] = json.dumps(config)
        if "model_weights" not in file:
            _move_into_group(file)


def _move_into_group(file: Any) -> None:
    """Weights alone stand at the top of their file, those of a whole network in a group."""
    group = file.create_group("model_weights")
    for name in [name for name in file if name != "model_weights"]:
        file.move(name, f"model_weights/{name}")
    for name in [name for name in file.attrs if name != "model_config"]:
        group.attrs[name] = file.attrs[name]


def finite_weights(model: Any) -> None:
    """Raise :class:`UserError` when a weight is not a number."""
    import numpy as np

    wrong = [w.path for w in model.weights if not np.isfinite(np.asarray(to_numpy(w), dtype=np.float64)).all()]
    if wrong:
        raise UserError(
            f"{len(wrong)} weights of the network are not numbers (NaN or infinite), such as '{wrong[0]}'.",
            "Take an earlier checkpoint of the training.",
        )
