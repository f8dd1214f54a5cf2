"""From arguments to exit status: 0 done, 1 some cases failed, 2 bad usage or input, 130 stopped with Ctrl-C."""

from __future__ import annotations

import difflib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from saliency_viewer.cli import window
from saliency_viewer.cli.commands import COMMANDS, Command
from saliency_viewer.cli.console import complain, complain_about
from saliency_viewer.cli.parsing import DEBUG, Parser
from saliency_viewer.cli.window import OpenWindow
from saliency_viewer.errors import Cancelled, UserError

PROGRAM = "saliency-viewer"
BAD_INPUT = 2
INTERRUPTED = 130


def run(argv: Sequence[str], open_window: OpenWindow | None = None) -> int:
    """Run the command that ``argv`` names, or open the window; returns the exit status.

    ``open_window(paths, model, demo, screenshot, trust_code)`` is handed in from above, since the command line and
    the window do not know each other. It may raise ImportError when Qt cannot be loaded.
    """
    debug = DEBUG in argv
    arguments = [argument for argument in argv if argument != DEBUG]
    _keep_libraries_quiet(debug)
    try:
        status = _dispatch(arguments, open_window)
        sys.stdout.flush()  # here, where a reader that has gone is understood, rather than while Python ends
        return status
    except (KeyboardInterrupt, Cancelled):
        complain("Stopped.")
        return INTERRUPTED
    except UserError as error:
        if debug:
            complain(traceback.format_exc())
            complain(error.detail)
        complain_about(error)
        return BAD_INPUT
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); nobody is left to complain to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last line before the user: one sentence, the traceback when asked for
        if debug:
            complain(traceback.format_exc())
        complain_about(
            UserError(f"An unexpected fault ended the program ({type(error).__name__}).", f"{DEBUG} shows where.")
        )
        return BAD_INPUT


def _dispatch(arguments: list[str], open_window: OpenWindow | None) -> int:
    command = next((c for c in COMMANDS if arguments and c.name == arguments[0]), None)
    if command is not None:
        parser = Parser(prog=f"{PROGRAM} {command.name}", description=command.description)
        command.add_options(parser)
        return command.run(parser.parse_args(arguments[1:]))
    _refuse_unknown_command(arguments)
    parser = Parser(prog=PROGRAM, description=_overview(COMMANDS))
    window.add_options(parser)
    return window.run(parser.parse_args(arguments), open_window)


def _refuse_unknown_command(arguments: Sequence[str]) -> None:
    """A first word that is neither a command nor a path is a slip of the pen."""
    first = arguments[0] if arguments else "-"
    if first.startswith("-") or Path(first).exists():
        return
    near = difflib.get_close_matches(first, [command.name for command in COMMANDS], n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"'{PROGRAM} --help' lists the commands."
    # A path may hold a patient's name; a single word is repeated, since it is most likely a mistyped command.
    is_path = len(Path(first).parts) > 1 or bool(Path(first).suffix)
    message = "There is nothing at the given path." if is_path else f"There is no command '{first}'."
    raise UserError(message, hint)


def _overview(commands: Sequence[Command]) -> str:
    lines = ", ".join(f"{command.name} ({command.description.rstrip('.').lower()})" for command in commands)
    return f"Opens the window. Commands: {lines}. '{PROGRAM} COMMAND --help' says more. For research use only."


def _keep_libraries_quiet(debug: bool) -> None:
    """What libraries log may hold values of patient tags; what the program says of itself is for who debugs."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("saliency_viewer").setLevel(logging.DEBUG if debug else logging.WARNING)
    for name in ("pydicom", "nibabel", "matplotlib", "PIL"):
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.CRITICAL)
