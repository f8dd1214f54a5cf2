"""What to explain, how and where: the frozen order that the window, the command line and a batch give alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from saliency_viewer.domain.study import Grid

DEFAULT_THREADS = 2
DEFAULT_BATCH_SIZE = 7  # near the knee on a CPU: more gains little and costs memory in proportion


@dataclass(frozen=True)
class ImageReference:
    """Where an image is: the path that was opened, and the series in it (UID, number, or None for the largest).

    ``grid`` is "stored" or "regular" (see :class:`Series`), empty for the series' usual one.
    """

    path: str = field(repr=False)  # paths can hold names
    series: str | None = None
    grid: Grid | Literal[""] = ""


@dataclass(frozen=True)
class MethodRequest:
    """A method id with the parameters that differ from its defaults."""

    id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnalysisPlan:
    """One analysis. The same plan gives the same numbers from every entry point on one machine.

    ``target`` is a class name, None for the card's or the predicted class; ``layer`` and ``baseline``
    None for the card's or the found ones; ``slices`` are the key slices, empty for the default choice.
    ``fold`` chooses one network of an ensemble ("mean": all of them), empty: the one that held the case out, else all.
    ``threads`` and ``batch_size`` belong to the plan since float sums depend on them.
    """

    image: ImageReference
    model: str = field(repr=False)
    methods: tuple[MethodRequest, ...]
    target: str | None = None
    layer: str | None = None
    baseline: str | None = None
    slices: tuple[int, ...] = ()
    fold: str = ""
    seed: int = 0
    device: str = "auto"
    threads: int = DEFAULT_THREADS
    batch_size: int = DEFAULT_BATCH_SIZE
    memory_budget: int | None = None  # bytes; None: half of what is free

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; the inverse of :meth:`from_dict`."""
        return {
            "image": {"path": self.image.path, "series": self.image.series, "grid": self.image.grid},
            "model": self.model,
            "methods": [{"id": m.id, "parameters": dict(m.parameters)} for m in self.methods],
            "target": self.target,
            "layer": self.layer,
            "baseline": self.baseline,
            "slices": list(self.slices),
            "fold": self.fold,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            "batch_size": self.batch_size,
            "memory_budget": self.memory_budget,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AnalysisPlan:
        """Rebuild a plan; raises KeyError or TypeError on a foreign dictionary."""
        rest = {key: value for key, value in data.items() if key not in ("image", "methods", "slices")}
        return cls(
            image=ImageReference(**data["image"]),
            methods=tuple(MethodRequest(m["id"], dict(m["parameters"])) for m in data["methods"]),
            slices=tuple(data["slices"]),
            **rest,
        )
