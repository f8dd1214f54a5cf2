"""The configuration files of a MONAI bundle, read as data: references are followed, no expression is ever run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.files import PackageFiles

_LARGEST = 16 * 2**20
_DEEPEST = 30
_MOST = 1_000_000  # entries behind one name; references to references may say far more than a file holds
_REFERENCE = re.compile(r"@([\w#:]+)")
_SUM = re.compile(r"\$\s*@[\w#:]+(\s*\+\s*@[\w#:]+)*\s*")


class BundleConfig:
    """One file of ``configs``.

    ``get`` gives the entry of a name with all of its ``@references`` followed. A ``$expression`` stays text, unless it
    is a plain value (``$[96, 96]``), a reference alone, or a sum of references to lists.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self._tables = tables
        self._left = _MOST

    def get(self, name: str) -> Any:
        """The entry, None where there is none."""
        self._left = _MOST
        return self._followed(self._tables.get(name), 0)

    def _followed(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise UserError(
                "The bundle's configuration refers to itself, or to far too much.",
                "Correct the @references in configs/inference.",
            )
        if isinstance(value, Mapping):
            return {str(key): self._followed(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self._followed(item, depth + 1) for item in value]
        if isinstance(value, str):
            return self._text(value, depth)
        return value

    def _text(self, value: str, depth: int) -> Any:
        found = _REFERENCE.fullmatch(value)
        if found:
            return self._followed(self._at(found[1], depth), depth + 1)
        if _SUM.fullmatch(value):
            parts = [self._followed(self._at(name, depth), depth + 1) for name in _REFERENCE.findall(value)]
            if len(parts) == 1:
                return parts[0]
            return [item for part in parts for item in part] if all(isinstance(p, list) for p in parts) else value
        if value.startswith("$"):
            try:
                return ast.literal_eval(value[1:].strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return value
        return value

    def _at(self, path: str, depth: int) -> Any:
        """The raw entry at ``name#key#0`` (or with ``::``), None where there is none."""
        found: Any = self._tables
        for part in re.split(r"#|::", path):
            if isinstance(found, str) and _REFERENCE.fullmatch(found):
                found = self._followed(found, depth + 1)
            if isinstance(found, Mapping):
                found = found.get(part)
            elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
            else:
                return None
        return found


def read_config(files: PackageFiles, names: tuple[str, ...]) -> BundleConfig:
    """The first of these files that is there. Raises :class:`UserError` when none is, or it cannot be read."""
    name = next((name for name in names if files.has(name)), None)
    if name is None:
        raise UserError(f"The MONAI bundle has no {names[0]}.", "Add it, or write a model.toml beside the bundle.")
    content = files.read(name)
    if len(content) > _LARGEST:
        raise UserError(f"{name} of the MONAI bundle is far too large.", "Get the bundle from its author again.")
    try:
        tables = json.loads(content) if name.endswith(".json") else _yaml(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} of the MONAI bundle cannot be read.", "Correct it.", type(error).__name__) from error
    if not isinstance(tables, Mapping):
        raise UserError(f"{name} of the MONAI bundle holds no entries by name.", "Correct it.")
    return BundleConfig(tables)


def _yaml(content: bytes) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise UserError(
            "This bundle's configuration is YAML, for which PyYAML is needed.", "Install it: pip install pyyaml"
        ) from error
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ValueError("no YAML") from error
