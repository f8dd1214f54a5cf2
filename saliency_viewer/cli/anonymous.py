"""Blanking who a study is of in what is printed: names, numbers and dates, as folders and descriptions write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import permutations
from pathlib import PurePath
from typing import Any

from saliency_viewer.cli.dates import date_pattern
from saliency_viewer.domain import Identity

_REMOVED = "[removed]"
_SHORTEST_NAME = 2
_SHORTEST_NUMBER = 3
_LONG_NAME = 5  # letters from which a name is blanked within a word too: SMITHJOHN, but not the "lee" of "sleep"
_FREE_TEXT = ("description", "path")  # where people write names; the other values come from the standard's lists
_WORD = re.compile(r"[\w-]+")
_PART = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(?<!\d)((?:1[89]|20|21)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})
# Kana, Chinese characters and Hangul: a single one can be a name, and no space stands between words.
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+")
_HARMLESS = re.compile(
    r"\.(dcm|nii|nii\.gz|nrrd|nhdr|mha|mhd|hdr|img|raw|gz|zip|png|jpe?g|tiff?|bmp|gif|txt|json|xml|csv|pdf)"
)


def unreadable_name(position: int, path: str) -> str:
    """What stands for a file that could not be read, whose path may say whose it is: ``file 3.dcm``.

    ``position`` counts from 1; an ending that is not a common one could be part of a name, and is left out.
    """
    endings = [ending.lower() for ending in PurePath(path).suffixes]
    ending = next((one for one in ("".join(endings[-2:]), "".join(endings[-1:])) if _HARMLESS.fullmatch(one)), "")
    return f"file {position}{ending}"


def without_identity(value: Any, *identities: Identity) -> Any:
    """``value`` with the names, numbers and dates of ``identities`` blanked in every free text, at any depth."""
    texts = [text for identity in identities for text in _texts(identity)]
    words = {word for text in texts for word in _words(text) if _tells(word)}
    dates = {match.groups() for text in texts for match in _DATE.finditer(text)}
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    patterns = [*(date_pattern(*date) for date in sorted(dates)), *map(_word_pattern, longest_first)]
    if not patterns:
        return value
    return _blanked(value, re.compile("|".join(patterns), re.IGNORECASE), False)


def _texts(identity: Identity) -> Iterator[str]:
    own = (identity.patient_name, identity.patient_id, identity.birth_date, identity.study_date)
    for text in (*own, *identity.others):
        yield unicodedata.normalize("NFC", text)


def _words(text: str) -> Iterator[str]:
    """The text, its words, their parts and what they make together, with and without umlauts and accents."""
    for word in (text.strip(), *_WORD.findall(text), *_PART.findall(text), *_joined(text)):
        yield word
        decomposed = unicodedata.normalize("NFKD", word)
        yield "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        yield word.lower().translate(_WRITTEN_OUT)
        if word.isdigit():
            yield word.lstrip("0")


def _joined(text: str) -> Iterator[str]:
    """Family and given name in one, in either order, and with an initial: LiWu, WuLi, WLi.

    A name's ways of writing are parted by ``=`` and its components by ``^`` (DICOM PS3.5 6.2, VR PN); others that may
    be names are parted by spaces and commas.
    """
    for written in text.split("="):
        components = written.split("^") if "^" in written else re.split(r"[\s,]+", written)
        squeezed = ["".join(_PART.findall(component)) for component in components]
        names = [name for name in squeezed if name and not name.isdigit()]
        yield from names
        for first, second in permutations(names[:3], 2):
            yield first + second
            yield first[0] + second
            yield first + second[0]


def _tells(word: str) -> bool:
    """Whether a word is long enough to mean somebody; one letter means nobody, except where it is a whole name."""
    if _EAST_ASIAN.fullmatch(word):
        return True
    return len(word) >= (_SHORTEST_NAME if word.isalpha() else _SHORTEST_NUMBER)


def _word_pattern(word: str) -> str:
    inside = re.escape(word)
    if len(word) >= _LONG_NAME or _EAST_ASIAN.fullmatch(word):
        return inside
    return rf"(?<![^\W_]){inside}(?![^\W_])"


def _blanked(value: Any, pattern: re.Pattern[str], free: bool) -> Any:
    if isinstance(value, str):
        return pattern.sub(_REMOVED, unicodedata.normalize("NFC", value)) if free else value
    if isinstance(value, list):
        return [_blanked(item, pattern, free) for item in value]
    if isinstance(value, dict):
        return {key: _blanked(item, pattern, key in _FREE_TEXT) for key, item in value.items()}
    return value
