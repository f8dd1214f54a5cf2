"""Keras itself: imported on its torch backend, without touching the user's settings, files or random numbers."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from saliency_viewer.errors import UserError


def keras_library() -> Any:
    """The module ``keras``, version 3. Raises :class:`UserError` when it, or h5py, is missing.

    A first import happens here with the torch backend and an empty settings folder, so that ``~/.keras`` is neither
    read (it could change what layers mean) nor written. A Keras that the caller has imported stays as it is.
    """
    try:
        import h5py  # noqa: F401 - Keras reads weights with it

        if "keras" not in sys.modules:
            _first_import()
        import keras
    except ImportError as error:
        raise _missing(str(error)) from error
    if int(keras.__version__.split(".")[0]) < 3:
        raise _missing(f"Keras {keras.__version__} is installed")
    return keras


def _first_import() -> None:
    with tempfile.TemporaryDirectory() as empty, quiet():
        settings = {"KERAS_BACKEND": "torch", "KERAS_HOME": empty}
        with _environment(settings):
            import keras  # noqa: F401


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """With these variables; afterwards all are as before, those that imported libraries set included."""
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keras warns of its own internals, and draws seeds for layers from Python's random numbers."""
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)


def to_numpy(value: Any) -> Any:
    """A Keras tensor or variable as a NumPy array, whatever Keras runs on."""
    with quiet():
        return keras_library().ops.convert_to_numpy(value)


def _missing(why: str) -> UserError:
    return UserError(
        "This model needs Keras 3 and h5py, which are not installed.",
        "Install them: pip install 'saliency-viewer[keras]'",
        why,
    )
