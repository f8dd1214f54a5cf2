"""The one table of what the user can do: buttons, shortcuts, tool tips and the cheat sheet come from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QWidget

from saliency_viewer.gui.intents import Intents


@dataclass(frozen=True)
class Action:
    """One row. ``intent`` names a signal of :class:`Intents`, sent with ``arguments``; ``tick``: it is on or off."""

    id: str
    text: str
    shortcut: str
    tip: str
    group: str
    intent: str
    arguments: tuple[Any, ...] = ()
    tool: bool = False
    tick: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("open", "Open", "Ctrl+O", "Open an image, a zip or a session file", "File", "open_dialog", ("file",)),
    Action("open-folder", "Open folder", "Ctrl+Shift+O", "Open a DICOM folder", "File", "open_dialog", ("folder",)),
    Action("save", "Save", "Ctrl+S", "Save the session: image reference, model, maps and regions", "File", "save"),
    Action("save-as", "Save as", "Ctrl+Shift+S", "Save the session under another name", "File", "save_as"),
    Action("export", "Export", "Ctrl+E", "Write pictures, maps and statistics, de-identified", "File", "export_dialog"),
    Action("batch", "Batch", "Ctrl+B", "Explain every image of a folder or table", "File", "batch_dialog"),
    Action("new-model", "New model package", "Ctrl+M", "Make a model package of weights", "File", "new_model_dialog"),
    Action("train", "Train", "Ctrl+T", "Train a classifier on a data set", "File", "training_page"),
    Action(
        "compare", "Compare", "C", "Ask several models about this image, side by side", "File", "compare", tick=True
    ),
    Action("images", "Back to images", "Esc", "Leave the comparison", "File", "show_images"),
    Action("quit", "Quit", "Ctrl+Q", "Close the window", "File", "close"),
    Action("pan", "Pan", "P", "Drag to move the picture", "View", "set_tool", ("pan",), True),
    Action("window", "Window", "W", "Drag to set brightness and contrast", "View", "set_tool", ("window",), True),
    Action("probe", "Probe", "I", "Click to link the planes and read values", "View", "set_tool", ("probe",), True),
    Action("polygon", "Polygon", "G", "Click corners, double-click to close", "Draw", "set_tool", ("polygon",), True),
    Action("brush", "Brush", "D", "Paint with a disc in millimetres", "Draw", "set_tool", ("brush",), True),
    Action("erase", "Erase", "X", "Take away with a disc in millimetres", "Draw", "set_tool", ("erase",), True),
    Action("undo", "↶", "Ctrl+Z", "Undo the last change of a region", "Draw", "undo"),
    Action("redo", "↷", "Ctrl+Shift+Z", "Redo", "Draw", "redo"),
    Action("new-region", "New region", "N", "Add an empty region to draw in", "Draw", "add_region"),
    Action("explain", "Explain", "Ctrl+Return", "Compute the chosen maps", "Explain", "explain_chosen"),
    Action("cancel", "Cancel", "Ctrl+.", "Stop the computation", "Explain", "cancel"),
    Action("hide-map", "Hide map", "Space", "Show or hide the map", "View", "toggle_map"),
    Action("graphics", "Overlay graphics", "Shift+O", "The file's own graphics", "View", "toggle_graphics", tick=True),
    Action("grid", "True grid", "Shift+G", "Slices resampled, or as stored", "View", "toggle_grid", tick=True),
    Action("cine", "Play slices", "K", "Run through the slices, or stop", "View", "toggle_cine", tick=True),
    Action("fade-less", "Fade to image", "[", "Show more of the image", "View", "step_fade", (-0.1,)),
    Action("fade-more", "Fade to map", "]", "Show more of the map", "View", "step_fade", (0.1,)),
    Action("slice-back", "Previous slice", ",", "One slice back", "View", "step_slice", (-1,)),
    Action("slice-on", "Next slice", ".", "One slice on", "View", "step_slice", (1,)),
    Action("layout", "Layout", "L", "All planes, or the active one alone", "View", "toggle_layout"),
    Action("fit", "Fit", "F", "Show the whole picture", "View", "fit"),
    Action("reset-window", "Reset window", "Shift+W", "The image's own brightness", "View", "set_window", (None,)),
    Action("cheat-sheet", "Shortcuts", "F1", "List every shortcut", "Help", "cheat_sheet"),
)


def shortcut_text(action: Action) -> str:
    """The shortcut as this system writes it."""
    return QKeySequence(action.shortcut).toString(QKeySequence.SequenceFormat.NativeText)


def make_actions(parent: QWidget, intents: Intents) -> dict[str, QAction]:
    """A QAction for each row, by id; tools exclude each other."""
    tools = QActionGroup(parent)
    made: dict[str, QAction] = {}
    for row in ACTIONS:
        action = QAction(row.text, parent)
        action.setShortcut(QKeySequence(row.shortcut))
        action.setToolTip(f"{row.tip} ({shortcut_text(row)})")
        action.setCheckable(row.tool or row.tick)
        if row.tool:
            tools.addAction(action)
        _connect(action, intents, row)
        parent.addAction(action)
        made[row.id] = action
    return made


def _connect(action: QAction, intents: Intents, row: Action) -> None:
    signal = getattr(intents, row.intent)
    action.triggered.connect(lambda _checked=False: signal.emit(*row.arguments))
