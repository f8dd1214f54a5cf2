"""Chooses between the command line, the window and a decoder's process, nothing else."""

from __future__ import annotations

import multiprocessing
import sys

from saliency_viewer.runtime import started  # noqa: F401 - the clock starts with its import
from saliency_viewer.runtime.isolated import DECODE_WORKER


def main() -> int:
    """Run the program; returns the exit status."""
    multiprocessing.freeze_support()  # must come first: a frozen program's children start here too
    if sys.argv[1:] == [DECODE_WORKER]:
        from saliency_viewer.readers.dicom.decoder import serve

        return serve()
    from saliency_viewer.cli import run

    return run(sys.argv[1:], _open_window)


def _open_window(
    paths: list[str], model: str | None, demo: str | None, screenshot: str | None, trust_code: bool
) -> int:
    from saliency_viewer.gui import launch

    return launch(paths, model, demo, screenshot, trust_code)


if __name__ == "__main__":
    sys.exit(main())
