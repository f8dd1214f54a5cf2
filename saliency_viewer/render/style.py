"""How a map is turned into colours: the only place where raw values meet a scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from saliency_viewer.domain import AttributionMap
from saliency_viewer.render.colours import ONE_SIDED, TWO_SIDED


@dataclass(frozen=True)
class MapStyle:
    """Colour map, scale and opacity.

    ``low`` and ``high`` are raw map values at the ends of the colour bar; equal ends mean that there is
    nothing to show. ``fade`` goes linearly from 0 (image only) to 1 (map only). ``threshold`` (0..1) hides
    values whose size is below that part of the larger end. ``relative``: the colour bar names shares of the larger
    end instead of raw values, so that maps of different units can be read beside each other.
    """

    colours: str
    low: float
    high: float
    fade: float = 0.5
    threshold: float = 0.0
    relative: bool = False

    def __post_init__(self) -> None:
        if not (0.0 <= self.fade <= 1.0 and 0.0 <= self.threshold <= 1.0):
            raise ValueError("fade and threshold lie in 0..1")

    @property
    def is_empty(self) -> bool:
        """Whether the scale has no extent, so that the image alone is shown."""
        return not self.low < self.high

    @property
    def cutoff(self) -> float:
        """The raw size below which a value is hidden."""
        return self.threshold * max(abs(self.low), abs(self.high))

    def end_words(self, raw: Callable[[float], str]) -> tuple[str, str]:
        """What stands at the lower and the upper end of the colour bar; ``raw`` writes a raw value."""
        if not self.relative:
            return raw(self.low), raw(self.high)
        size = max(abs(self.low), abs(self.high)) or 1.0
        low, high = (f"{100 * end / size:.0f} %".replace("-", "−") for end in (self.low, self.high))
        return low, high


def style_for(
    amap: AttributionMap | Iterable[AttributionMap],
    fade: float = 0.5,
    threshold: float = 0.0,
    signed: bool | None = None,
) -> MapStyle:
    """The default style of a map, or the common one of several maps that are to be compared.

    One-sided maps (all of them) get inferno from 0 to the highest value, others RdBu_r from minus to plus
    the largest size, so that white is zero; ``signed`` forces the choice. The scale comes from the whole
    array, never from one slice, so scrolling does not change what a colour means. A map without a finite
    value other than zero (or one-sided without a positive one) gives an empty style.
    """
    maps = (amap,) if isinstance(amap, AttributionMap) else tuple(amap)
    two_sided = signed if signed is not None else not all(one.one_sided for one in maps)
    ends = [one.extent for one in maps]
    low, high = min((end[0] for end in ends), default=0.0), max((end[1] for end in ends), default=0.0)
    if two_sided:
        size = max(abs(low), abs(high))
        return MapStyle(TWO_SIDED, -size, size, fade, threshold)
    return MapStyle(ONE_SIDED, 0.0, max(high, 0.0), fade, threshold)


def relative_style(amap: AttributionMap, signed: bool, fade: float = 0.5, threshold: float = 0.0) -> MapStyle:
    """A scale in shares of the map's own largest size; ``signed`` as in :func:`style_for`, the same for all maps."""
    return replace(style_for(amap, fade, threshold, signed), relative=True)
