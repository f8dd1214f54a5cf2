"""Every case's input, prepared once by the package's own preprocessing and kept on disk while it is trained on.

What is trained on is then, bit for bit, what the finished package will make of the same image. Each case is a small
file of its own, named by what it was made from: an interrupted training finds its inputs again, a changed image or
card makes new ones, and the system's file cache holds as many in memory as there is room for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import saliency_viewer
from saliency_viewer.domain import ImageReference, InputSpec, TrainingCase, Volume
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers import stamp
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.files import atomic_path, make_folder
from saliency_viewer.training.reading import read_image

if TYPE_CHECKING:
    from torch import Tensor

_IMAGE = "image"  # the metadata that holds the digest of the decoded image
_ROOM = 0.9  # of the free disk that inputs may take
_AT_ONCE = 32  # cases under way; a longer queue would only answer a wish to stop later

Digest = Callable[[Volume], str]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Prepared cases.

    ``files`` and ``digests`` (of the decoded images) have an entry for each case, empty for those in ``failures``.
    """

    spec: InputSpec
    files: tuple[str, ...]
    digests: tuple[str, ...]
    failures: Mapping[int, UserError]
    folder: Path

    def load(self, cases: Sequence[int]) -> Tensor:
        """(N, C, *spatial) float32 of these cases."""
        import torch

        rows = [_channels(self._read(index), self.spec.channels) for index in cases]
        return torch.from_numpy(np.stack(rows))

    def _read(self, index: int) -> NDArray[np.float32]:
        from safetensors.numpy import load_file

        values: NDArray[np.float32] = load_file(self.folder / self.files[index])["inputs"]
        return values


def prepare_inputs(
    cases: Sequence[TrainingCase],
    spec: InputSpec,
    folder: Path,
    digest: Digest,
    threads: int,
    context: RunContext | None = None,
) -> Inputs:
    """Read and prepare every case into ``folder``; what is there already is kept.

    A case that cannot be used is listed in ``failures``. Raises :class:`UserError` when the disk is too small or
    refuses, :class:`Cancelled` when the user stopped; what was prepared stays.
    """
    context = context or RunContext()
    make_folder(folder)
    maker = _Maker(spec, folder, digest, context)
    files: list[str] = []
    digests: list[str] = []
    failures: dict[int, UserError] = {}
    with ThreadPoolExecutor(max(1, threads), "prepare") as pool:
        for start in range(0, len(cases), _AT_ONCE):
            for name, image, failure in pool.map(maker.make, cases[start : start + _AT_ONCE]):
                if failure is not None:
                    failures[len(files)] = failure
                files.append(name)
                digests.append(image)
            context.report(len(files) / len(cases), f"Preparing images ({len(files)} of {len(cases)})")
            if start == 0:
                _require_disk(folder, [name for name in files if name], len(cases))
    return Inputs(spec, tuple(files), tuple(digests), failures, folder)


class _Maker:
    """Prepares one case after the other; used by several threads."""

    def __init__(self, spec: InputSpec, folder: Path, digest: Digest, context: RunContext) -> None:
        self._spec = spec
        self._folder = folder
        self._digest = digest
        self._context = context
        recipe = json.dumps([saliency_viewer.__version__, asdict(spec)], sort_keys=True, default=list)
        self._recipe = hashlib.sha256(recipe.encode()).hexdigest()

    def make(self, case: TrainingCase) -> tuple[str, str, UserError | None]:
        """File, digest of the image, and why there is neither. A disk that refuses is no fault of the image: raised."""
        self._context.check()
        try:
            name = f"{self._key(case.image)}.safetensors"
            kept = _kept_digest(self._folder / name)
            if kept:
                return name, kept, None
            volume = read_image(case.image)
            values, found = prepared_array(self._spec, volume), self._digest(volume)
        except UserError as error:
            return "", "", error
        except Cancelled:
            raise
        except Exception as error:  # one odd image must not cost the user the others, whatever a library says of it
            return "", "", _unexpected(error)
        self._write(values, found, self._folder / name)
        return name, found, None

    def _key(self, image: ImageReference) -> str:
        made_from = (self._recipe, image.path, image.series, image.grid, stamp(image.path))
        return hashlib.sha256(repr(made_from).encode()).hexdigest()[:32]

    @staticmethod
    def _write(values: NDArray[np.float32], digest: str, target: Path) -> None:
        from safetensors.numpy import save_file

        with atomic_path(target) as temporary:
            save_file({"inputs": values}, temporary, {_IMAGE: digest})


def prepared_array(spec: InputSpec, volume: Volume) -> NDArray[np.float32]:
    """The network's input of one sample, (C or 1, *spatial): one channel where all are equal.

    Raises :class:`UserError` for an image that the network cannot take.
    """
    from saliency_viewer.models.prepared import Preparation

    slices = volume.geometry.shape[0]
    if spec.layout != "3d" and slices != 1:
        raise UserError(
            f"The image has {slices} slices, but this architecture is trained on single pictures.",
            "Choose a 3D architecture, such as densenet121-3d.",
        )
    if spec.layout == "3d" and slices == 1:
        raise UserError(
            "The image is a single picture, but this architecture is trained on volumes.",
            "Choose a 2D architecture, such as densenet121.",
        )
    values: NDArray[np.float32] = Preparation(spec, volume).of(() if spec.layout == "3d" else (0,)).inputs[0].numpy()
    same = all(np.array_equal(values[0], other) for other in values[1:])
    return np.ascontiguousarray(values[:1] if same else values)


def _unexpected(error: Exception) -> UserError:
    return UserError(
        f"The image cannot be prepared ({type(error).__name__}).",
        "Take it out of the data set, and please report this.",
        type(error).__name__,
    )


def _channels(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.broadcast_to(values, (count, *values.shape[1:]))


def _kept_digest(path: Path) -> str:
    """The image's digest out of a file that is there and whole, else empty."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            return str((file.metadata() or {}).get(_IMAGE, ""))
    except (OSError, SafetensorError):
        return ""


def _require_disk(folder: Path, made: Sequence[str], count: int) -> None:
    """Say now that the disk will be full, not after an hour. ``made`` are the first files of ``count``."""
    if not made:
        return
    each = sum((folder / name).stat().st_size for name in made) / len(made)
    needed, free = each * (count - len(made)), shutil.disk_usage(folder).free
    if needed > _ROOM * free:
        raise UserError(
            f"The prepared images need {needed / 2**30:.1f} GiB beside the package, "
            f"and {free / 2**30:.1f} GiB are free.",
            "Choose a smaller size, fewer images (--limit), or another disk for the package.",
        )
