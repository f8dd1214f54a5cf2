"""What the user wants, said by widgets and heard by the controllers: widgets know nothing else."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class Intents(QObject):
    """One signal for each wish. Indices are (slice, row, column); radii are mm."""

    open_dialog = Signal(str)  # "folder" or "file"
    open_paths = Signal(object)  # list of str
    open_demo = Signal(str)  # "chest" or "brain"
    stop_reading = Signal()
    unreadable_dialog = Signal(int)  # position in the state's list of what could not be read
    warnings_dialog = Signal()
    set_grid = Signal(str)  # "stored" or "regular"
    toggle_grid = Signal()
    show_case = Signal(int)  # position in the list of cases
    choose_model_dialog = Signal(str)  # "folder" or "file"
    choose_model = Signal(str)  # path of a package
    new_model_dialog = Signal()
    allow_code = Signal(str, bool)  # SHA-256 of a package's Python file; for good
    refuse_code = Signal(str)  # SHA-256 of the file that must not run
    layer_dialog = Signal(str)  # the layer chosen so far
    choose_layer = Signal(str)  # its path; empty: found automatically
    save = Signal()
    save_as = Signal()
    export_dialog = Signal()
    export = Signal(str, bool)  # folder, identify
    batch_dialog = Signal()
    training_page = Signal()
    forget_recent = Signal()
    explain_chosen = Signal()  # what the method panel says
    explain = Signal(object)  # Wish
    cancel = Signal()
    compare = Signal()  # to the comparison page, or back
    show_images = Signal()  # back from it
    compare_add_dialog = Signal(str)  # "folder" or "file"
    compare_add = Signal(str)  # path of a package
    compare_remove = Signal(str)  # the model's name on the page
    compare_run = Signal()
    compare_look = Signal(str, object)  # a part of Look, and its value
    compare_export_dialog = Signal()
    compare_export = Signal(str, bool)  # folder, identify
    choose_map = Signal(str)  # method id
    set_tool = Signal(str)
    set_fade = Signal(float)
    set_threshold = Signal(float)
    step_fade = Signal(float)
    set_slice = Signal(int, int)  # axis, index
    step_slice = Signal(int)
    set_window = Signal(object)  # Window, or None for the image's own
    set_crosshair = Signal(object)
    set_axis = Signal(int)  # the viewport that keys and the slice slider belong to
    probe = Signal(object)  # index or None
    set_radius = Signal(float)
    toggle_map = Signal()
    toggle_graphics = Signal()
    toggle_cine = Signal()
    toggle_layout = Signal()
    drawing = Signal(bool)  # whether an outline or a stroke is unfinished
    stroke = Signal(object)  # Stroke
    add_region = Signal()
    remove_region = Signal(str)
    rename_region = Signal(str, str)
    recolour_region = Signal(str, str)
    lock_region = Signal(str, bool)
    show_region = Signal(str, bool)
    select_region = Signal(str)
    import_regions_dialog = Signal()
    import_regions = Signal(str)
    export_regions_dialog = Signal()
    export_regions = Signal(str)
    undo = Signal()
    redo = Signal()
    fit = Signal()
    cheat_sheet = Signal()
    close = Signal()
