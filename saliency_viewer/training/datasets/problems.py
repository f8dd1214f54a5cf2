"""Everything that is wrong with a data set, said at once: counts and the first few places, never a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saliency_viewer.errors import UserError

_SHOWN = 3
_DETAILED = 40
_COUNTED = "Rows are counted as in a spreadsheet: the header is row 1."


@dataclass(frozen=True)
class Kind:
    """One thing that can be wrong: what it is said of, in both numbers, and what helps."""

    one: str
    many: str
    hint: str
    noun: tuple[str, str] = ("image", "images")

    def sentence(self, rows: Sequence[int], total: int) -> str:
        """Such as ``3 of 400 images are not there: rows 5, 9 and 12``, with its full stop."""
        count = len(rows)
        noun, words = (self.noun[0], self.one) if count == 1 else (self.noun[1], self.many)
        share = f"{count:,} of {total:,} {self.noun[1]}" if self.noun[1] == "images" else f"{count:,} {noun}"
        return f"{share} {words}: {places(rows)}."


def places(rows: Sequence[int], shown: int = _SHOWN) -> str:
    """Such as ``row 5``, ``rows 5, 9 and 12`` or ``rows 5, 9, 12 and 14 more``."""
    named = [str(row) for row in rows[:shown]]
    if len(rows) == 1:
        return f"row {named[0]}"
    last = f"{len(rows) - shown:,} more" if len(rows) > shown else named.pop()
    return f"rows {', '.join(named)} and {last}"


_BOXES = ("box", "boxes")
_ROWS = ("row", "rows")

NO_IMAGE_NAME = Kind("names no image", "name no image", "Fill in the image or take the row out.", _ROWS)
NOT_THERE = Kind("is not there", "are not there", "Copy the missing images, or take their rows out of the table.")
UNREADABLE = Kind("cannot be read", "cannot be read", "Copy the damaged images again, or take their rows out.")
NO_LABEL = Kind("has no label", "have no label", "Fill in the label or take the row out.")
UNKNOWN_LABEL = Kind("has an unknown label", "have an unknown label", "Correct the label or take the row out.")
TWO_LABELS = Kind(
    "is listed with two labels", "are listed with two labels", "Keep the rows with the right label, one for each image."
)
TWO_LABELLED_COPIES = Kind(
    "is a copy of another one with another label",
    "are copies of other ones with another label",
    "Keep the one with the right label.",
)
NO_PATIENT = Kind("has no patient", "have no patient", "Fill in whose image it is; any code will do.")
NO_SIDE = Kind(
    "has no known side in the split column",
    "have no known side in the split column",
    "Write train, val or test in every row, or leave the column out.",
)
TWO_SIDES = Kind(
    "is of a patient with images on two sides of the split",
    "are of patients with images on two sides of the split",
    "Put all images of one patient on one side, or leave the split column out.",
)
BAD_BOX = Kind(
    "lacks a number or has no size",
    "lack a number or have no size",
    "A box is x, y, width and height in pixels.",
    _BOXES,
)
BOX_OF_NOTHING = Kind(
    "stands on an image without the finding",
    "stand on images without the finding",
    "Correct the target, or empty the box.",
    _BOXES,
)
BOX_OUTSIDE = Kind(
    "lies outside its image",
    "lie outside their images",
    "Boxes are x, y, width and height in pixels of the image as it is stored; was it resized?",
    _BOXES,
)
BAD_RUNS = Kind(
    "has run lengths that are no pairs of whole numbers",
    "have run lengths that are no pairs of whole numbers",
    "Copy the table again; runs are gap and length, gap and length, or -1.",
    _ROWS,
)
RUNS_OUTSIDE = Kind(
    "has run lengths that leave the image",
    "have run lengths that leave the image",
    "Each gap counts from the end of the run before, and runs go down the columns; other sets count otherwise.",
    _ROWS,
)
RUNS_OF_NOTHING = Kind(
    "says -1 beside other run lengths of its image",
    "say -1 beside other run lengths of their images",
    "Keep either -1 or the run lengths.",
    _ROWS,
)
NO_MASK = Kind("has a mask that is not there", "have a mask that is not there", "Copy the masks, or empty their cells.")
BAD_MASK = Kind(
    "has a mask that cannot be read or does not fit it",
    "have a mask that cannot be read or does not fit them",
    "A mask has the size of its image, 0 outside and 1, 2, ... inside.",
)


class Problems:
    """Collects what is wrong; :meth:`require_none` ends the work with one summary of it all."""

    def __init__(self) -> None:
        self._rows: dict[Kind, list[int]] = {}
        self._sentences: list[tuple[str, str]] = []
        self._details: dict[str, None] = {}

    def add(self, kind: Kind, row: int, detail: str = "") -> None:
        """Something about one row. ``detail`` is technical and names no file."""
        self._rows.setdefault(kind, []).append(row)
        if detail:
            self._details[detail] = None

    def say(self, sentence: str, hint: str) -> None:
        """Something about the data set as a whole."""
        self._sentences.append((sentence, hint))

    def count(self, kind: Kind) -> int:
        """How often ``kind`` was met."""
        return len(self._rows.get(kind, ()))

    def __bool__(self) -> bool:
        return bool(self._rows or self._sentences)

    def require_none(self, total: int) -> None:
        """Raise one :class:`UserError` with all that was met among ``total`` images, or nothing."""
        if not self:
            return
        found = [(kind.sentence(sorted(set(rows)), total), kind.hint) for kind, rows in self._rows.items()]
        found += self._sentences
        hints = list(dict.fromkeys(hint for _, hint in found))
        counted = [_COUNTED] if self._rows else []
        rows = [f"{kind.many}: {places(sorted(set(rows)), _DETAILED)}" for kind, rows in self._rows.items()]
        raise UserError(
            " ".join(sentence for sentence, _ in found),
            " ".join([*hints, *counted]),
            "; ".join([*rows, *list(self._details)[:_DETAILED]]),
        )
