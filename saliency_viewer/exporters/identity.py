"""Names for cases that say nothing about the patient."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from functools import cache
from pathlib import Path

from saliency_viewer.runtime.folders import config_folder

KEY_BYTES = 32
_KEY_FILE = "case-names.key"
_FORBIDDEN = re.compile(r"[^\w.-]+", re.ASCII)
_DEVICE_NAME = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_LONGEST = 80


def case_identifier(content_hash: str) -> str:
    """``case-`` and 8 hex digits for an image.

    A plain hash could be guessed by hashing candidates; this one is keyed with a secret of this
    installation. The same image has the same name for this user on this machine, and no other.
    """
    return f"case-{keyed_digest('case', content_hash)[:8]}"


def keyed_digest(*texts: str) -> str:
    """HMAC-SHA256 hex digest of ``texts`` under the installation's secret."""
    return hmac.new(_installation_key(config_folder()), "\x1f".join(texts).encode(), hashlib.sha256).hexdigest()


def safe_name(text: str) -> str:
    """``text`` as a file name on every system; changed texts get a digest, so that two never become one."""
    cleaned = _FORBIDDEN.sub("-", text).strip(".-")[:_LONGEST]
    if _DEVICE_NAME.match(cleaned):
        cleaned = f"_{cleaned}"
    if cleaned and cleaned == text:
        return cleaned
    return f"{cleaned or 'case'}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


@cache
def _installation_key(folder: Path) -> bytes:
    path = folder / _KEY_FILE
    try:
        return _stored_key(path) or _new_key(path)
    except OSError:
        # A home that may not be written to: names stay unguessable, but change with every start.
        return secrets.token_bytes(KEY_BYTES)


def _stored_key(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == KEY_BYTES else None


def _new_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = secrets.token_bytes(KEY_BYTES)
    temporary = path.with_name(f"{_KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
    temporary.replace(path)
    # Of two programs that start at once the later one wins for both.
    return _stored_key(path) or key
