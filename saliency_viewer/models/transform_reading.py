"""Transforms of another library, read one by one, as ``[input]`` of a card with as few keys as say the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from saliency_viewer.domain import InputSpec
from saliency_viewer.domain.model_card import Colour, Interpolation
from saliency_viewer.errors import UserError
from saliency_viewer.models.spatial_chain import plan_chain
from saliency_viewer.spatial import Geometry

_PROBES = ((31, 40), (977, 400), (400, 2011), (512, 512))  # image sizes by which it shows whether the result's is fixed
_RESAMPLING = ("interpolation", "antialias")

Step = dict[str, Any]
_SCALE: Step = {"step": "scale", "to": [0.0, 1.0]}


@dataclass
class Reading:
    """What was read so far of transforms of 2D images.

    ``before`` are intensity steps before the first padding, ``after`` those that change the padding too; ``fill`` is
    what is padded with, None as long as nothing pads. ``overshoots`` says that a cubic curve was cut off at 0 and 255.
    """

    spatial: list[Step] = field(default_factory=list)
    before: list[Step] = field(default_factory=list)
    after: list[Step] = field(default_factory=list)
    channels: int = 3
    colour: Colour = ""
    fill: float | None = None
    is_tensor: bool = False
    is_scaled: bool = False
    overshoots: bool = False

    def scale(self) -> None:
        """Bytes become numbers from 0 to 1, once."""
        if not self.is_scaled:
            self.tone(_SCALE)
        self.is_tensor = self.is_scaled = True

    def resize(self, target: Step, interpolation: Interpolation, antialias: bool) -> None:
        """Take a resize; a cubic one of bytes is cut off at their ends."""
        self.spatial.append({"step": "resize", **target, "interpolation": interpolation, "antialias": antialias})
        self.overshoots |= interpolation == "cubic" and not self.is_scaled

    def tone(self, step: Step) -> None:
        """Take an intensity step."""
        (self.before if self.fill is None else self.after).append(step)

    def pad(self, step: Step, fill: float) -> None:
        """Take a step that pads."""
        if self.fill not in (None, fill):
            raise UserError(
                "The transforms pad with two different values, and a card has one.",
                "Pad with one value, or not at all.",
            )
        self.fill = fill
        self.spatial.append(step)

    def crop(self, size: list[int]) -> None:
        """Cut the middle out, as torchvision does: what is smaller is padded with zeros first."""
        if any(have < want for have, want in zip(self._least(), size, strict=True)):
            self.pad({"step": "pad", "size": size}, 0.0)
        self.spatial.append({"step": "crop", "size": size})

    def _least(self) -> tuple[int, int]:
        """The smallest size that any image can have by now."""
        rows, columns = 1, 1
        for step in self.spatial:
            if "by" in step:
                rows, columns = rows + sum(step["by"][0]), columns + sum(step["by"][1])
            elif step["step"] == "pad":
                rows, columns = max(rows, step["size"][0]), max(columns, step["size"][1])
            elif "shorter" in step:
                rows = columns = step["shorter"]
            elif "within" in step:
                rows = columns = 1
            else:
                rows, columns = next(step[key] for key in ("to", "cover", "size") if key in step)
        return rows, columns

    def spec(self) -> InputSpec:
        """``[input]``."""
        before, after, fill = self._toned()
        shared = {key: _only(step[key] for step in self.spatial if key in step) for key in _RESAMPLING}
        same = {key: value for key, value in shared.items() if value is not None}
        spec = InputSpec(
            channels=self.channels,
            colour=self.colour,
            pad_value=fill,
            intensity=tuple(before),
            intensity_after=tuple(after),
            fit="none",
            spatial=tuple({key: value for key, value in step.items() if key not in same} for step in self.spatial),
            **same,
        )
        return _shortened(spec)

    def _toned(self) -> tuple[list[Step], list[Step], float]:
        """Intensity steps before the spatial ones and after them, and what is padded with in between."""
        steps = self.before + self.after
        if self.overshoots and steps[:1] == [_SCALE]:
            # Bytes end at 0 and 255, where a cubic curve goes on.
            return [_SCALE], [{"step": "clip", "low": 0.0, "high": 1.0}, *steps[1:]], (self.fill or 0.0) / 255
        if self.fill is None:  # without padding, linear steps are the same before a resize and after it
            return steps, [], 0.0
        return self.before, self.after, self.fill


def _only(values: Iterable[Any]) -> Any:
    """The one value that all share, else None."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _shortened(spec: InputSpec) -> InputSpec:
    """``fit`` where it says the same as the list; ``size`` where every image ends with the same."""
    sizes = {plan_chain(spec, _image(probe)).size for probe in _PROBES}
    spec = replace(spec, size=sizes.pop() if len(sizes) == 1 else ())
    return next((short for short in _short_forms(spec) if _same(spec, short)), spec)


def _short_forms(spec: InputSpec) -> Iterable[InputSpec]:
    bare = replace(spec, spatial=())
    if not spec.size:
        yield bare
    else:
        yield from (replace(bare, fit="stretch"), replace(bare, fit="letterbox"), replace(bare, fit="crop"))
    first = spec.spatial[0] if spec.spatial else {}
    if "shorter" in first:
        yield replace(bare, fit="crop", resize=first["shorter"])
    elif "to" in first:
        yield replace(bare, fit="crop", resize=tuple(first["to"]))


def _same(one: InputSpec, other: InputSpec) -> bool:
    return all(plan_chain(one, _image(probe)).axes == plan_chain(other, _image(probe)).axes for probe in _PROBES)


def _image(shape: tuple[int, int]) -> Geometry:
    return Geometry.from_spacing((1, *shape))
