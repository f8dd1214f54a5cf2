"""How modality values become greys: a window with one of DICOM's functions, or a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID", "TABLE"]


@dataclass(frozen=True)
class Window:
    """A display window in modality units.

    Parameters
    ----------
    centre, width:
        Where the greys lie. ``width`` is positive; a LINEAR one is at least 1.
    function:
        DICOM's VOI LUT functions (PS3.3 C.11.2.1.2 and C.11.2.1.3). ``LINEAR`` is what files without a word about
        it mean: it runs from ``centre - 0.5 - (width - 1) / 2`` over ``width - 1``. ``LINEAR_EXACT`` runs from
        ``centre - width / 2`` over ``width``; it is what this program's own windows mean. ``TABLE`` spreads
        ``table`` over ``centre - width / 2`` to ``centre + width / 2``.
    name:
        The file's explanation of the window ("LUNG"), empty when it has none.
    table:
        Greys 0..255 of a VOI LUT, one byte for each entry; empty but for ``TABLE``. A table of n entries from the
        value f on has the centre ``f + n / 2 - 0.5`` and the width n, so that values are rounded to entries.
    """

    centre: float
    width: float
    function: VoiFunction = "LINEAR_EXACT"
    name: str = field(default="", compare=False)
    table: bytes = field(default=b"", repr=False)

    def mirrored(self, total: float) -> Window:
        """The window that shows ``total - value`` as this one shows ``value``, with black and white exchanged."""
        if self.function == "LINEAR":
            # Its half-unit shift is not symmetric: y(v) = (v - c + 0.5) / (w - 1) + 0.5.
            return replace(self, centre=total - self.centre + 1)
        table = bytes(255 - grey for grey in reversed(self.table))
        return replace(self, centre=total - self.centre, table=table)
