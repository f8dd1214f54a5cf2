"""What stands in each cell of the grid: map, colours, contours and words, from the facts alone."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.domain import AttributionMap, Comparison, Provenance, Validity
from saliency_viewer.domain.statistics import OUTSIDE_REGIONS, WHOLE_IMAGE
from saliency_viewer.gui.comparing.contours import Contour
from saliency_viewer.gui.comparing.state import ComparingState, Entry
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.render import RANKS, MapStyle, shared_styles
from saliency_viewer.spatial import Geometry

_SHARE = "mass_fraction"
Styles = dict[tuple[str, str], MapStyle]  # by a model's name and a method


@dataclass(frozen=True)
class Words:
    """What a cell says: see :meth:`SliceView.set_title`."""

    title: str
    subtitle: str = ""
    badge: str = ""
    kind: str = ""


def styles(document: DocumentState, comparing: ComparingState) -> Styles:
    """The colours of each map, by (model's name, method): of its own, or of all that share a scale."""
    maps = {
        (entry.name, method): amap
        for entry in comparing.entries
        for method in comparing.methods
        if (amap := entry.map_of(method)) is not None
    }
    return shared_styles(maps, comparing.look.scale, document.view.fade, document.view.threshold)


def contours(comparing: ComparingState, method: str, entries: list[Entry]) -> tuple[Contour, ...]:
    """The contours of these models' maps by ``method``, in the models' colours; none when they are off."""
    look = comparing.look
    if not look.contours:
        return ()
    maps = [(entry, entry.map_of(method)) for entry in entries]
    return tuple(Contour(amap, look.level, entry.colour) for entry, amap in maps if amap is not None)


def map_words(entry: Entry, amap: AttributionMap, comparison: Comparison | None) -> Words:
    """The regions' shares of the evidence; the explained class where the model did not predict it.

    The predicted class needs no words here: it stands at the row's head, and a small cell has room for few.
    """
    shares = region_shares(comparison, entry.name, amap.method)
    said = " · ".join(f"{name}: {100 * value:.0f} %" for name, value in shares)
    if not amap.target_is_predicted:
        return Words(amap.target, said, "not predicted", "failed")
    return Words("", said, amap.validity.short or amap.validity.badge, amap.validity.badge)


def region_shares(comparison: Comparison | None, model: str, method: str) -> list[tuple[str, float]]:
    """Each drawn region's share of a map's positive evidence, 0..1."""
    rows = comparison.statistics if comparison is not None else ()
    return [
        (row.region, row.value)
        for row in rows
        if (row.model, row.method, row.statistic) == (model, method, _SHARE)
        and row.value is not None
        and row.region not in (WHOLE_IMAGE, OUTSIDE_REGIONS)
    ]


def disagreement(comparison: Comparison | None, method: str, geometry: Geometry) -> AttributionMap | None:
    """The range of ranks that the models give each place, as a map that a viewport can show."""
    values = comparison.between_models.get(method) if comparison is not None else None
    if values is None:
        return None
    made = Provenance(method, {}, "", 0)
    return AttributionMap(values, geometry, method, "", Validity("not defined"), made, one_sided=True)


def rank_style(document: DocumentState) -> MapStyle:
    """Ranks reach from 0 to 1, whatever the maps."""
    return MapStyle(RANKS, 0.0, 1.0, document.view.fade, document.view.threshold)
