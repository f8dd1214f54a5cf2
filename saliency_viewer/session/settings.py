"""The user's choices, kept between starts. No path and no patient is among them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.files import write_text
from saliency_viewer.runtime.folders import config_folder

_FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """The user's choices.

    ``trusted_code`` holds SHA-256 digests of the Python files of model packages that the user allowed to
    run; ``window_geometry`` is the window's own text for its place on the screen.
    """

    notice_accepted: bool = False
    radiological: bool = True
    opacity: float = 0.5
    device: str = "auto"
    threads: int = 0  # 0: the plan's default
    autosave_seconds: int = 30
    last_methods: tuple[str, ...] = ()
    trusted_code: tuple[str, ...] = ()
    window_geometry: str = ""


def load_settings(folder: Path | None = None) -> Settings:
    """Settings from the user's folder; defaults for what is missing, foreign or unreadable.

    A damaged file is kept beside as ``settings.json.damaged``, so that nothing the user wrote is lost.
    """
    path = (folder or config_folder()) / _FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return Settings()
    except (ValueError, RecursionError):
        _set_aside(path)
        return Settings()
    if not isinstance(record, dict):
        _set_aside(path)
        return Settings()
    known = {
        name: value for name, value in ((f.name, _checked(f, record)) for f in fields(Settings)) if value is not None
    }
    return Settings(**known)


def save_settings(settings: Settings, folder: Path | None = None) -> None:
    """Write atomically; raises :class:`UserError` when the disk refuses."""
    write_text((folder or config_folder()) / _FILE, json.dumps(asdict(settings), indent=2, sort_keys=True) + "\n")


def _checked(field: Any, record: dict[str, Any]) -> Any:
    """The stored value when it has the type of the field's default, else None."""
    value, default = record.get(field.name), field.default
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else None
    if isinstance(default, tuple):
        return tuple(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else None
    if isinstance(default, float):
        return float(value) if isinstance(value, (int, float)) else None
    return value if isinstance(value, type(default)) else None


def _set_aside(path: Path) -> None:
    try:
        path.replace(path.with_name(path.name + ".damaged"))
    except OSError as error:
        raise UserError(
            "The settings file is damaged and cannot be replaced.", "Delete it and start again.", type(error).__name__
        ) from error
