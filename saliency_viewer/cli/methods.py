"""`methods`: every attribution method as the program knows it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from saliency_viewer.cli.console import say
from saliency_viewer.domain import ParameterSpec, parameter_specs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `methods`' options."""
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """List the methods."""
    from saliency_viewer.attribution import METHODS

    records = [describe(method) for method in METHODS]
    if options.json:
        say(json.dumps(records, indent=2, ensure_ascii=False))
        return 0
    for record in records:
        traits = [name for name in ("signed", "additive", "needs_layer") if record[name]]
        say(f"{record['id']}: {record['label']} ({', '.join(traits) or 'unsigned'})")
        say(f"  {record['reference']}")
        for parameter in record["parameters"]:
            say(f"  --set {record['id']}.{parameter['name']}={parameter['default']}  {_explained(parameter)}")
    return 0


def describe(method: Any) -> dict[str, Any]:
    """JSON-ready description of a member of METHODS."""
    capabilities = method.capabilities
    return {
        "id": method.id,
        "label": method.label,
        "signed": capabilities.signed,
        "additive": capabilities.additive,
        "needs_layer": capabilities.needs_layer,
        "one_sided": capabilities.one_sided,
        "parameters": [_parameter(spec) for spec in parameter_specs(method.Parameters)],
        "reference": method.reference,
    }


def _parameter(spec: ParameterSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.kind.__name__,
        "default": spec.default,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "choices": list(spec.choices),
        "unit": spec.unit,
        "label": spec.label,
        "help": spec.help,
    }


def _explained(parameter: dict[str, Any]) -> str:
    if parameter["choices"]:
        allowed = " | ".join(parameter["choices"])
    elif parameter["minimum"] is None and parameter["maximum"] is None:
        allowed = parameter["type"]
    else:
        low, high = ("" if parameter[k] is None else f"{parameter[k]:g}" for k in ("minimum", "maximum"))
        allowed = f"{low}..{high}"
    return f"[{allowed}] {parameter['help']}"
