"""The Python file that a model package may bring along: what the user is asked to allow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from saliency_viewer.errors import UserError
from saliency_viewer.models.files import PackageFiles

_PREFIX = "python"
Trust = bool | frozenset[str] | Callable[[str], bool]


@dataclass(frozen=True)
class OwnCode:
    """A Python file as read once: what is shown, what is allowed and what is run are the same bytes."""

    file: str
    class_name: str
    source: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hex digits."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def text(self) -> str:
        """The file for reading; bytes that are no UTF-8 show as replacement characters."""
        return self.source.decode("utf-8", "replace")

    def is_allowed(self, trust: Trust) -> bool:
        """Whether ``trust`` lets this file run: True all, a set those with a digest in it, a function is asked."""
        if isinstance(trust, frozenset):
            return self.digest in trust
        return (trust(self.digest) if callable(trust) else trust) is True


def own_code(architecture: str, files: PackageFiles) -> OwnCode | None:
    """The code that ``python:FILE:CLASS`` names, None for every other kind of architecture.

    Raises :class:`UserError` when the name is incomplete or the package has no such file. Runs nothing.
    """
    prefix, _, name = architecture.partition(":")
    if prefix != _PREFIX:
        return None
    file, _, class_name = name.rpartition(":")
    if not file or not class_name.isidentifier():
        raise UserError(
            "model.toml: a python architecture needs a file and a class.",
            'Write it like architecture = "python:network.py:MyNetwork".',
        )
    return OwnCode(file, class_name, files.read(file))
