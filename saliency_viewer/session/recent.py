"""What was opened lately. Paths can name patients: the list is readable by its owner only, and can be forgotten."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.files import atomic_path, write_error
from saliency_viewer.runtime.folders import state_folder

_FILE = "recent.json"
_LENGTH = 8


@dataclass(frozen=True)
class Recent:
    """Absolute paths, newest first: ``studies`` (sessions among them) and ``models``."""

    studies: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def with_study(self, path: str) -> Recent:
        """``path`` first among the studies, the oldest dropped."""
        return replace(self, studies=_first(path, self.studies))

    def with_model(self, path: str) -> Recent:
        """``path`` first among the models, the oldest dropped."""
        return replace(self, models=_first(path, self.models))


def load_recent(folder: Path | None = None) -> Recent:
    """The list; empty where it is missing or damaged, since it can be done without."""
    try:
        record = json.loads(((folder or state_folder()) / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Recent()
    if not isinstance(record, dict):
        return Recent()
    return Recent(**{field.name: _paths(record.get(field.name)) for field in fields(Recent)})


def save_recent(recent: Recent, folder: Path | None = None) -> None:
    """Write atomically; raises :class:`UserError` when the disk refuses."""
    path = (folder or state_folder()) / _FILE
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asdict(recent), indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)


def forget_recent(folder: Path | None = None) -> None:
    """Remove the list; raises :class:`UserError` when that is impossible."""
    try:
        ((folder or state_folder()) / _FILE).unlink(missing_ok=True)
    except OSError as error:
        raise UserError("The list of recent files could not be removed.", write_error(error).hint) from error


def _first(path: str, others: tuple[str, ...]) -> tuple[str, ...]:
    whole = str(Path(path).absolute())
    return (whole, *(other for other in others if other != whole))[:_LENGTH]


def _paths(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str))[:_LENGTH] if isinstance(value, list) else ()
