"""The files of a model package, from a folder or a zip archive. A zip is read in memory and never unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import DAMAGE
from saliency_viewer.runtime.memory import require_memory

CARD_NAME = "model.toml"
SUMS_NAME = "SHA256SUMS"
BUNDLE_NAME = "configs/metadata.json"  # of a MONAI bundle, which needs no card
_CHOOSE = (
    "Choose a folder or zip with a model.toml and a weights file in it, or a MONAI bundle. "
    "Of a checkpoint or a network's file, 'model new' makes a package."
)
_LARGEST_MEMBER = 16 * 2**30  # bytes; larger ones are an attack or a mistake


class PackageFiles(ABC):
    """Read access by names relative to the package."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Its bytes. Raises :class:`UserError` when there is none."""

    def inside(self, name: str) -> bool:
        """Whether it lies in the package itself; a link in a folder may lead elsewhere."""
        return True


class FolderFiles(PackageFiles):
    """A package that is a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return (self._folder / safe_name(name)).is_file()
        except OSError:  # a name that no file can have
            return False

    def read(self, name: str) -> bytes:
        """Its bytes."""
        place = self._folder / safe_name(name)
        try:
            require_memory(place.stat().st_size, "A file of the model package")
            return place.read_bytes()
        except FileNotFoundError:
            raise missing(name) from None
        except OSError as error:
            raise UserError(
                f"The file '{name}' of the model package cannot be read.",
                "Check the file's permissions.",
                str(error.strerror),
            ) from error

    def inside(self, name: str) -> bool:
        """Whether it lies in the folder, with all links followed."""
        try:
            return (self._folder / safe_name(name)).resolve().is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError):  # links that lead in a circle
            return False


class ZipFiles(PackageFiles):
    """A package that is a zip archive, with its files at the top or in one folder."""

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
        except DAMAGE as error:
            raise UserError(
                "The model package is not a readable zip file.", "Copy or download it again.", str(error)
            ) from error
        self._path = path
        self._prefix = _top_folder(names)
        self._names = set(names)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self._prefix + safe_name(name) in self._names

    def read(self, name: str) -> bytes:
        """Its bytes."""
        if not self.has(name):
            raise missing(name)
        try:
            with zipfile.ZipFile(self._path) as archive:
                member = archive.getinfo(self._prefix + safe_name(name))
                require_memory(member.file_size, "A file of the model package")
                if member.file_size > _LARGEST_MEMBER:
                    raise UserError(f"The file '{name}' in the zip is too large.", "Unpack it and open the folder.")
                return archive.read(member)
        except DAMAGE as error:
            raise UserError(
                f"The file '{name}' in the zip cannot be read.",
                "Zip the package again, without a password.",
                str(error),
            ) from error


class MemoryFiles(PackageFiles):
    """A package that is not written yet, or one with some of its files left out or changed."""

    def __init__(self, files: Mapping[str, bytes | None], beneath: PackageFiles | None = None) -> None:
        self._files, self._beneath = dict(files), beneath

    def has(self, name: str) -> bool:
        """Whether there is such a file; one that is None is left out."""
        if name in self._files:
            return self._files[name] is not None
        return self._beneath is not None and self._beneath.has(name)

    def read(self, name: str) -> bytes:
        """Its bytes."""
        if name not in self._files and self._beneath is not None:
            return self._beneath.read(name)
        content = self._files.get(name)
        if content is None:
            raise missing(name)
        return content

    def inside(self, name: str) -> bool:
        """Whether it is one of these files, or lies in the package beneath."""
        return name in self._files or self._beneath is None or self._beneath.inside(name)


class WatchedFiles(PackageFiles):
    """A package that remembers the sha256 of every file that was read, in ``digests`` by name."""

    def __init__(self, beneath: PackageFiles) -> None:
        self._beneath = beneath
        self.digests: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self._beneath.has(name)

    def read(self, name: str) -> bytes:
        """Its bytes."""
        content = self._beneath.read(name)
        self.digests[name] = hashlib.sha256(content).hexdigest()
        return content

    def inside(self, name: str) -> bool:
        """Whether it lies in the package itself."""
        return self._beneath.inside(name)


def _top_folder(names: list[str]) -> str:
    for wanted in (CARD_NAME, BUNDLE_NAME):
        if wanted in names:
            return ""
        deeper = [name for name in names if name.partition("/")[2] == wanted]
        if len(deeper) == 1:
            return deeper[0][: -len(wanted)]
    return ""


def safe_name(name: str) -> str:
    """``name`` as a clean relative path. Raises :class:`UserError` when it leads out of the package."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise UserError(
            "model.toml names a file outside of the model package.",
            "Put the file into the package and write its name only.",
        )
    return str(path)


def missing(name: str) -> UserError:
    """The error for an absent file of the package."""
    return UserError(
        f"The model package has no file '{name}'.", "Add it, or write the right file name into model.toml."
    )


def open_files(path: str | Path) -> PackageFiles:
    """The files of the package at ``path``: a folder, a ``model.toml`` in one, or a zip.

    Raises :class:`UserError` when there is no package.
    """
    place = Path(path)
    if place.name == CARD_NAME and place.is_file():
        place = place.parent
    if place.is_dir():
        files: PackageFiles = FolderFiles(place)
    elif place.is_file():
        files = _of_file(place)
    else:
        raise UserError("There is no model package at that place.", "Choose a folder or zip with a model.toml in it.")
    if not files.has(CARD_NAME) and not files.has(BUNDLE_NAME):
        raise UserError("There is no model.toml, so this is not a model package.", _CHOOSE)
    return files


def _of_file(place: Path) -> PackageFiles:
    """A zip; what is no zip at all is likelier to be a network's own file than a damaged package."""
    if place.suffix.lower() != ".zip" and not zipfile.is_zipfile(place):
        raise UserError("This file is not a model package.", _CHOOSE)
    return ZipFiles(place)


def is_package(path: str | Path) -> bool:
    """Whether there is a model package at ``path``; never raises."""
    try:
        open_files(path)
    except UserError:
        return False
    return True
