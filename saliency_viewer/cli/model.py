"""`model new` and `model check`: making a model package, and whether one can be used."""

from __future__ import annotations

import argparse

from saliency_viewer.cli import model_check, model_new

_ACTIONS = (
    ("check", "Say everything that is wrong with a model package, and how to mend it.", model_check),
    ("new", "Make a model package from a checkpoint.", model_new),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two commands with their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|new")
    for name, description, module in _ACTIONS:
        inner = actions.add_parser(name, description=description)
        module.add_options(inner)
        inner.set_defaults(run_action=module.run)


def run(options: argparse.Namespace) -> int:
    """Run the chosen one."""
    status: int = options.run_action(options)
    return status
