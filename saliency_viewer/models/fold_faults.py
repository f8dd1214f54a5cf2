"""Saying of which fold of an ensemble something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from saliency_viewer.errors import UserError


@contextmanager
def in_fold(name: str) -> Iterator[None]:
    """Put the fold's name before every :class:`UserError` from inside; a network alone has no name to put."""
    try:
        yield
    except UserError as error:
        if not name:
            raise
        raise UserError(about_fold(name, error.message), error.hint, error.detail) from error


def about_fold(name: str, sentence: str) -> str:
    """The sentence with the fold that it is about."""
    return f"Fold {name}: {sentence}"
