"""``manifest.json``: what was computed from what, with which program."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from saliency_viewer.runtime.files import write_text

_LIBRARIES = (
    "torch",
    "torchvision",
    "monai",
    "numpy",
    "scipy",
    "pydicom",
    "nibabel",
    "SimpleITK",
    "safetensors",
    "pillow",
    "matplotlib",
)
_BLOCK = 1 << 20


def write_manifest(data: Mapping[str, Any], path: Path) -> Path:
    """Write ``data`` (JSON-ready) with sorted keys."""
    write_text(path, json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers or files depend on, where installed."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
