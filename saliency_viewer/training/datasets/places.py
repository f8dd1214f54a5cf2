"""Where the tables and images of a data set lie."""

from __future__ import annotations

from pathlib import Path

from saliency_viewer.errors import UserError


def table_below(root: str, names: tuple[str, ...], label: str) -> Path:
    """The first of ``names`` in ``root``, in a folder in it, or ``root`` itself when it is that file.

    Raises :class:`UserError` naming what should be there for the data set called ``label``.
    """
    place = Path(root).expanduser()
    try:
        if place.is_file():
            place = place.parent
        inner = sorted(one for one in place.iterdir() if one.is_dir()) if place.is_dir() else []
    except OSError as error:
        raise UserError("The data set's folder may not be read.", "Check its rights.", type(error).__name__) from error
    if not place.is_dir():
        raise UserError("There is no such data set folder.", "Check the path.")
    for name in names:
        for folder in (place, *inner):
            if (folder / name).is_file():
                return folder / name
    raise UserError(
        f"The folder holds no {names[0]}, so it is no {label} data set as it is published.",
        f"Choose the folder with {names[0]}, or use a table of your own with the data set 'csv'.",
    )


def require_folder(folders: tuple[Path, ...], zipped: str) -> Path:
    """The first of ``folders`` that is there; raises :class:`UserError` that says what to unpack else."""
    for folder in folders:
        if folder.is_dir():
            return folder
    if any((folder.parent / zipped).is_file() for folder in folders):
        raise UserError("The images are still packed.", f"Unpack {zipped} into a folder {folders[0].name} beside it.")
    raise UserError(f"The folder {folders[0].name} with the images is not there.", "Copy it beside the tables.")


def is_there(path: Path) -> bool:
    """Whether something is at ``path``; nothing is at a text that can be no path."""
    try:
        return path.exists()
    except (OSError, ValueError):  # far too long, or with a null character
        return False
