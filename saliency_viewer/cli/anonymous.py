"""Blanking who a study is of in what is printed: names, numbers and dates, as folders and descriptions write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from saliency_viewer.domain import Identity

_REMOVED = "[removed]"
_SHORTEST_NAME = 3
_LONG_NAME = 5  # letters from which a name is blanked within a word too: SMITHJOHN, but not the "lee" of "sleep"
_FREE_TEXT = ("description", "path")  # where people write names; the other values come from the standard's lists
_WORD = re.compile(r"[\w-]+")
_PART = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(?<!\d)((?:1[89]|20|21)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})


def without_identity(value: Any, *identities: Identity) -> Any:
    """``value`` with the names, numbers and dates of ``identities`` blanked in every free text, at any depth."""
    texts = [text for identity in identities for text in _texts(identity)]
    words = {word for text in texts for word in _words(text) if len(word) >= _SHORTEST_NAME}
    dates = {match.groups() for text in texts for match in _DATE.finditer(text)}
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    patterns = [*map(_date_pattern, sorted(dates)), *map(_word_pattern, longest_first)]
    if not patterns:
        return value
    return _blanked(value, re.compile("|".join(patterns), re.IGNORECASE), False)


def _texts(identity: Identity) -> Iterator[str]:
    own = (identity.patient_name, identity.patient_id, identity.birth_date, identity.study_date)
    for text in (*own, *identity.others):
        yield unicodedata.normalize("NFC", text)


def _words(text: str) -> Iterator[str]:
    """The text, its words and their parts, and how a folder without umlauts and accents would be called."""
    for word in (text.strip(), *_WORD.findall(text), *_PART.findall(text)):
        yield word
        decomposed = unicodedata.normalize("NFKD", word)
        yield "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        yield word.lower().translate(_WRITTEN_OUT)


def _word_pattern(word: str) -> str:
    inside = re.escape(word)
    return inside if len(word) >= _LONG_NAME else rf"(?<![^\W_]){inside}(?![^\W_])"


def _date_pattern(date: tuple[str, ...]) -> str:
    """19700131 also as 1970-01-31, 31.01.1970 and 01-31-1970, with any of the usual marks between."""
    year, month, day = date
    mark, some = "[-._ ]", "[-._ ]?"
    orders = (f"{year}{some}{month}{some}{day}", f"{day}{some}{month}{some}{year}", f"{month}{mark}{day}{mark}{year}")
    return rf"(?<!\d)(?:{'|'.join(orders)})(?!\d)"


def _blanked(value: Any, pattern: re.Pattern[str], free: bool) -> Any:
    if isinstance(value, str):
        return pattern.sub(_REMOVED, unicodedata.normalize("NFC", value)) if free else value
    if isinstance(value, list):
        return [_blanked(item, pattern, free) for item in value]
    if isinstance(value, dict):
        return {key: _blanked(item, pattern, key in _FREE_TEXT) for key, item in value.items()}
    return value
