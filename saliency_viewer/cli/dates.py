"""How people write a date in the name of a folder or a description."""

from __future__ import annotations

_MARK = "[-._/, ]{1,2}"
_MARK_OR_NOT = "[-._/, ]{0,2}"
# The beginnings of the months' names in English, German, French and Spanish; what follows is any letters.
_MONTHS = (
    "jan|ene",
    "feb|f\u00e9v|fev",
    "mar|m\u00e4r|maer",
    "apr|avr|abr",
    "ma[iy]",
    "jun|juin",
    "jul|juil",
    "aug|ao\u00fb|aou|ago",
    "sep",
    "o[ck]t",
    "nov",
    "d[ei][cz]|d\u00e9c",
)


def date_pattern(year: str, month: str, day: str) -> str:
    """A regular expression, to be used without regard to case, for a date given as 1970, 01, 31.

    It finds 1970-01-31, 31.01.1970, 01/31/1970, 31.1.70, 19700131, 310170, 31Jan1970, 31 January 1970, Jan 31, 1970.
    """
    any_year = f"(?:{year}|{year[2:]})"
    name = rf"(?:{_MONTHS[int(month) - 1]})[^\W\d_]*\.?"
    ordinal = "(?:st|nd|rd|th)?"
    full = (any_year, month, day)
    short = (any_year, _without_zero(month), _without_zero(day))
    named = (any_year, name, _without_zero(day) + ordinal)
    forms = (*_orders(full, ""), *_orders(short, _MARK), *_orders(named, _MARK_OR_NOT))
    return rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)"


def _orders(parts: tuple[str, str, str], mark: str) -> tuple[str, ...]:
    year, month, day = parts
    return tuple(mark.join(order) for order in ((year, month, day), (day, month, year), (month, day, year)))


def _without_zero(number: str) -> str:
    return f"0?{number[1]}" if number.startswith("0") else number
