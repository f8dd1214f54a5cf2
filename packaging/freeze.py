"""Freeze the program into one folder and prove it: ``python packaging/freeze.py [--out DIR]``.

Runs PyInstaller, then the frozen program's ``--version`` and ``--self-test`` in an empty environment and
from another folder, and prints its size. Exit status 0 only when all of it worked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def build(out: Path) -> Path:
    """Run PyInstaller; returns the folder of the program."""
    command = [
        sys.executable,
        "-m",
        "PyInstaller",
        "--noconfirm",
        "--distpath",
        str(out),
        "--workpath",
        str(out / "work"),
    ]
    subprocess.run([*command, str(HERE / "saliency-viewer.spec")], check=True, cwd=HERE.parent)
    return out / "saliency-viewer"


def prove(folder: Path) -> None:
    """Run the frozen program where nothing of Python is on the path."""
    program = folder / ("saliency-viewer.exe" if os.name == "nt" else "saliency-viewer")
    with tempfile.TemporaryDirectory() as elsewhere:
        environment = {"PATH": os.defpath, "HOME": elsewhere, "QT_QPA_PLATFORM": "offscreen"}
        for option in ("--version", "--self-test"):
            subprocess.run([str(program), option], check=True, cwd=elsewhere, env=environment, timeout=300)
        picture = Path(elsewhere) / "demo.png"
        demo = [str(program), "--demo", "chest", "--screenshot", str(picture)]
        subprocess.run(demo, check=True, cwd=elsewhere, env=environment, timeout=300)
        if not picture.exists():
            raise SystemExit("the frozen window saved no picture")


def size(folder: Path) -> int:
    """Bytes on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> int:
    """Freeze, prove, report."""
    parser = argparse.ArgumentParser(description="Freeze the program and run its self-test.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "dist")
    folder = build(parser.parse_args().out)
    prove(folder)
    sys.stdout.write(f"frozen program: {size(folder) / 1e9:.2f} GB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
