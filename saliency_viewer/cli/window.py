"""Opening the window, and saying which system library is missing when it cannot open."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

import saliency_viewer
from saliency_viewer.cli.console import complain, say
from saliency_viewer.errors import UserError

OpenWindow = Callable[[list[str], str | None, str | None, str | None, bool], int]

_INSTALL = "Install the missing system libraries: sudo apt-get install {}"
# What a bare Debian lacks, by what Qt's import error or its platform plug-in names.
_PACKAGES = {
    "libEGL": "libegl1",
    "libGL": "libgl1",
    "libgthread": "libglib2.0-0",
    "libglib": "libglib2.0-0",
    "libdbus": "libdbus-1-3",
    "libfontconfig": "libfontconfig1",
    "libxkbcommon": "libxkbcommon0",
}
_WINDOW_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}
_ALL_PACKAGES = " ".join(sorted({*_PACKAGES.values(), *_WINDOW_LIBRARIES.values()}))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the program without a command."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="study, image or session file to open")
    parser.add_argument("--model", metavar="PACKAGE", help="model package: folder or zip")
    parser.add_argument("--demo", choices=("chest", "brain"), help="open the built-in demo")
    parser.add_argument("--screenshot", metavar="FILE.png", help="save the window once all is computed, then leave")
    parser.add_argument("--trust-code", action="store_true", help="let model packages run their own Python files")
    parser.add_argument("--version", action="store_true", help="say the version and leave")
    parser.add_argument("--self-test", action="store_true", help="check the installation and leave")


def run(options: argparse.Namespace, open_window: OpenWindow | None) -> int:
    """Open the window, or answer ``--version`` and ``--self-test``."""
    if options.version:
        say(f"Saliency Viewer {saliency_viewer.__version__}")
        return 0
    if options.self_test:
        return _self_test()
    _require_window_libraries()
    if open_window is None:
        raise UserError("This entry point has no window.", "Start the program as saliency-viewer.")
    try:
        return open_window(options.paths, options.model, options.demo, options.screenshot, options.trust_code)
    except ImportError as error:
        raise missing_library(error) from error


def _self_test() -> int:
    from saliency_viewer.pipeline import self_test

    failed = 0
    for check in self_test():
        failed += bool(check.fault)
        say(f"{'FAILED' if check.fault else 'ok':6s}  {check.name} ({check.seconds:.1f} s)")
        if check.fault:
            say(f"        {check.fault}")
        sys.stdout.flush()
    if failed:
        noun = "check" if failed == 1 else "checks"
        complain(f"saliency-viewer: {failed} {noun} of the installation failed.")
    return 1 if failed else 0


def missing_library(error: ImportError) -> UserError:
    """The sentence for Qt's failed import; another import error is raised again as it is."""
    text = str(error)
    if "PySide6" in text and "No module" in text:
        return UserError(
            "Qt for Python is not installed, so no window can open.", "Run: pip install PySide6-Essentials"
        )
    if "cannot open shared object file" not in text:
        raise error
    library = text.partition(":")[0].strip()
    package = next((deb for stem, deb in _PACKAGES.items() if library.startswith(stem)), None)
    return UserError(
        f"The window cannot open because the system library {library} is missing.",
        _INSTALL.format(_ALL_PACKAGES if package is None else f"{package} (a bare system needs: {_ALL_PACKAGES})"),
        text,
    )


def _require_window_libraries() -> None:
    """Qt aborts the whole program when its X11 plug-in cannot load, so its libraries are looked for first."""
    if not _uses_x11():
        return
    missing = [deb for name, deb in _WINDOW_LIBRARIES.items() if not _can_load(name)]
    if missing:
        raise UserError(
            "The window cannot open because system libraries are missing.", _INSTALL.format(" ".join(missing))
        )


def _can_load(library: str) -> bool:
    bundled = Path(getattr(sys, "_MEIPASS", "")) / library  # a frozen program brings its own
    if getattr(sys, "frozen", False) and bundled.exists():
        return True
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _uses_x11() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    platform = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform:
        return platform == "xcb"
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise UserError(
            "There is no screen to open the window on.",
            "Set QT_QPA_PLATFORM=offscreen together with --screenshot FILE.png, or start it in a desktop session.",
        )
    return bool(os.environ.get("DISPLAY")) and not os.environ.get("WAYLAND_DISPLAY")
