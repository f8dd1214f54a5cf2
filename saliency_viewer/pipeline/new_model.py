"""Requests about a model package that is being made, for the compute process; the command line makes it alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import ImageReference, ModelCard
from saliency_viewer.pipeline.examining import Examination, Verdict, examine
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.models.recognition import Inspection

_READ = 0.2


@dataclass(frozen=True)
class InspectCheckpoint:
    """Say what a checkpoint holds."""

    checkpoint: str = field(repr=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """What must not be told of it."""
        return (self.checkpoint,)

    def run(self, _services: Services, context: RunContext) -> Inspection:
        """Raises :class:`UserError` for what is no checkpoint."""
        from saliency_viewer.models.recognition import inspect_checkpoint, read_checkpoint

        context.report(0.0, "Reading the checkpoint")
        content = read_checkpoint(self.checkpoint)
        context.report(_READ, "Looking for its network")
        return inspect_checkpoint(content)


@dataclass(frozen=True)
class NewPackage:
    """What is to become a package. ``code`` are Python files of the user's, by their name in the package."""

    checkpoint: str = field(repr=False)
    card: ModelCard
    code: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def files(self, services: Services) -> dict[str, bytes]:
        """The package's files by name. Raises :class:`UserError` when checkpoint and card do not go together."""
        from saliency_viewer.models.making import package_of
        from saliency_viewer.models.recognition import read_checkpoint

        return package_of(read_checkpoint(self.checkpoint), self.card, self.code, services.trust_code)


@dataclass(frozen=True, eq=False)
class Trial(Verdict):
    """An examination as a dialog shows it: ``picture`` is (row, column, 3) uint8, ``words`` say of what map."""

    picture: NDArray[np.uint8] | None = None
    words: str = ""


@dataclass(frozen=True)
class TryPackage:
    """Check a package that is not written yet, on an image if there is one."""

    new: NewPackage
    image: ImageReference | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """What must not be told of it."""
        return (self.new.checkpoint, *([self.image.path] if self.image is not None else []))

    def run(self, services: Services, context: RunContext) -> Trial:
        """Raises :class:`UserError` when checkpoint and card do not go together, or the image cannot be read."""
        from saliency_viewer.models.files import MemoryFiles

        context.report(0.0, "Putting the weights into the network")
        files = self.new.files(services)
        context.report(_READ, "Reading the image")
        volume = None if self.image is None else services.image(self.image, context.part(_READ, 2 * _READ)).volume
        found = examine(MemoryFiles(files), services.trust_code, volume, context=context.part(2 * _READ, 1.0))
        return _trial(found)


def _trial(found: Examination) -> Trial:
    from saliency_viewer.attribution import method
    from saliency_viewer.render import pair_figure

    picture, words = None, ""
    if found.volume is not None:
        picture = pair_figure(found.volume, found.amap, found.slice_index)
    if found.volume is not None and found.amap is not None:
        several = found.volume.geometry.shape[0] > 1
        place = f", slice {found.slice_index} (counted from 0)" if several else ""
        layer = f" at {found.amap.provenance.layer}" if found.amap.provenance.layer else ""
        words = f"{method(found.amap.method).label} for {found.amap.target}{layer}{place}"
    return Trial(found.facts, found.findings, found.layers, found.prediction, picture, words)


@dataclass(frozen=True)
class SavePackage:
    """Write a package."""

    new: NewPackage
    out: str = field(repr=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """What must not be told of it."""
        return (self.new.checkpoint, self.out)

    def run(self, services: Services, context: RunContext) -> str:
        """Where it is now. Raises :class:`UserError` when it cannot be written."""
        from saliency_viewer.models.making import write_new

        context.report(0.0, "Putting the weights into the network")
        files = self.new.files(services)
        context.report(0.5, "Writing the package")
        write_new(self.out, files)
        return self.out
