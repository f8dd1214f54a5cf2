"""The user's own folders for settings and for what a running program keeps (XDG on Linux)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "saliency-viewer"


def config_folder() -> Path:
    """Where settings live; not created here."""
    return _folder("XDG_CONFIG_HOME", ".config", "Library/Application Support", "APPDATA")


def state_folder() -> Path:
    """Where autosaved work and logs live; not created here."""
    return _folder("XDG_STATE_HOME", ".local/state", "Library/Application Support", "LOCALAPPDATA")


def _folder(variable: str, linux: str, mac: str, windows: str) -> Path:
    # The XDG variable counts on every system, so that a test or an administrator can move the folder.
    wanted = os.environ.get(variable, "")
    if wanted and Path(wanted).is_absolute():
        return Path(wanted) / _NAME
    if sys.platform == "win32":
        return Path(os.environ.get(windows) or Path.home()) / _NAME
    return Path.home() / (mac if sys.platform == "darwin" else linux) / _NAME
