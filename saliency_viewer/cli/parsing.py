"""Argument parsing that ends in one clear sentence."""

from __future__ import annotations

import argparse
from typing import NoReturn

from saliency_viewer.errors import UserError

DEBUG = "--debug"
_EPILOG = f"{DEBUG}, with any command, shows the technical detail of errors."


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`UserError` instead of printing its usage and leaving."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, epilog=_EPILOG, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found, as a sentence."""
        sentence = message[:1].upper() + message[1:]
        raise UserError(f"{sentence.rstrip('.')}.", f"'{self.prog} --help' lists what there is.")


def whole_numbers(text: str) -> tuple[int, ...]:
    """``40,50,60`` as numbers, for an argparse type."""
    try:
        return tuple(int(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of whole numbers such as 40,50,60") from None


def listed(text: str) -> tuple[str, ...]:
    """``well, sick`` as texts; empty ones do not count."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def natural_number(text: str) -> int:
    """A whole number from 0, for an argparse type."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0")
    return int(text)
