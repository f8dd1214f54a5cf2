"""From strokes and clicks to edits of regions and of the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from saliency_viewer.domain import RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.regions import RegionEditor, brush_mask
from saliency_viewer.spatial import polygon_mask


def stroke_mask(stroke: Stroke, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """The stroke as a mask of its plane, (first, second) remaining array axis."""
    rest = [axis for axis in range(3) if axis != stroke.axis]
    plane = (shape[rest[0]], shape[rest[1]])
    if stroke.tool == "polygon":
        return polygon_mask(stroke.points, plane)
    return brush_mask(stroke.points, stroke.radius_mm, (spacing[rest[0]], spacing[rest[1]]), plane)


class Editing(QObject):
    """Hears everything that changes regions or the view."""

    def __init__(self, state: DocumentState, intents: Intents, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self._hear_view(intents)
        intents.drawing.connect(state.set_drawing)
        intents.stroke.connect(self.draw)
        intents.add_region.connect(self.add)
        intents.remove_region.connect(lambda name: self._edit(lambda editor: editor.remove(name)))
        intents.rename_region.connect(self.rename)
        intents.recolour_region.connect(lambda name, colour: self._edit(lambda e: e.recolour(name, colour)))
        intents.lock_region.connect(lambda name, on: self._edit(lambda editor: editor.set_locked(name, on)))
        intents.show_region.connect(lambda name, on: self._edit(lambda editor: editor.set_visible(name, on)))
        intents.undo.connect(self.undo)
        intents.redo.connect(self.redo)

    def _hear_view(self, intents: Intents) -> None:
        change = self._state.change_view
        intents.set_tool.connect(lambda name: change(tool=name))
        intents.set_fade.connect(lambda value: change(fade=value))
        intents.step_fade.connect(lambda by: change(fade=min(max(self._state.view.fade + by, 0.0), 1.0)))
        intents.set_threshold.connect(lambda value: change(threshold=value))
        intents.set_radius.connect(lambda value: change(radius=value))
        intents.set_axis.connect(lambda axis: change(axis=axis))
        intents.set_window.connect(lambda window: change(window=window))
        intents.set_crosshair.connect(lambda index: change(index=index))
        intents.toggle_map.connect(lambda: change(map_shown=not self._state.view.map_shown))
        intents.toggle_graphics.connect(lambda: change(graphics=not self._state.view.graphics))
        intents.toggle_layout.connect(lambda: change(single=not self._state.view.single))
        intents.choose_map.connect(lambda method: change(method=method))
        intents.select_region.connect(lambda name: change(region=name))
        intents.set_slice.connect(self.go_to)
        intents.step_slice.connect(lambda by: self.go_to(self._state.view.axis, self._place() + by))
        intents.probe.connect(self._state.probe_changed)

    def _place(self) -> int:
        return self._state.view.index[self._state.view.axis]

    def go_to(self, axis: int, index: int) -> None:
        """Show slice ``index`` along ``axis``, clipped to the image."""
        volume = self._state.volume
        if volume is None:
            return
        place = list(self._state.view.index)
        place[axis] = min(max(index, 0), volume.geometry.shape[axis] - 1)
        self._state.change_view(index=(place[0], place[1], place[2]))

    def draw(self, stroke: Stroke) -> None:
        """Put a stroke into the selected region; the first stroke of all makes one."""
        volume = self._state.volume
        if volume is None:
            return
        mask = stroke_mask(stroke, volume.geometry.shape, volume.geometry.spacing)
        name = self._state.view.region
        erase = stroke.tool == "erase"
        if (name is None or name not in self._names()) and not erase:
            self.add()
            name = self._state.view.region
        if name is None or name not in self._names():
            self._state.report(UserError("There is no region to erase in.", "Choose one in the list of regions."))
            return
        chosen = name
        self._edit(lambda editor: editor.paint(chosen, stroke.axis, stroke.index, mask, not erase, stroke.tool))

    def add(self) -> None:
        """A new empty region, which is then the selected one."""
        case = self._state.case
        if case is None or case.volume is None:
            self._state.report(UserError("There is no image to draw on.", "Open a study first."))
            return
        editor = self.editor()
        if editor is None:
            return
        name = editor.add()
        self._state.touch_regions(case)
        self._state.change_view(region=name)

    def rename(self, name: str, new_name: str) -> None:
        """Another name; the selection follows."""
        selected = self._state.view.region == name
        self._edit(lambda editor: editor.rename(name, new_name))
        if selected and new_name in self._names():
            self._state.change_view(region=new_name)

    def undo(self) -> None:
        """Take the last edit back, on whichever slice it was."""
        self._edit(lambda editor: editor.undo())

    def redo(self) -> None:
        """Do it again."""
        self._edit(lambda editor: editor.redo())

    def editor(self) -> RegionEditor | None:
        """The shown case's editor, made when first needed."""
        return self._editor_of(self._state.case)

    @staticmethod
    def _editor_of(case: Case | None) -> RegionEditor | None:
        if case is None or case.volume is None:
            return None
        if case.editor is None:
            case.editor = RegionEditor(RegionSet(case.volume.geometry))
        return case.editor

    def put(self, case: Case, regions: RegionSet) -> None:
        """Add regions of a file behind those of ``case``, which need not be shown any more, as one edit."""
        editor = self._editor_of(case)
        if editor is None:
            return
        if not regions.geometry.same_as(editor.regions.geometry):
            self._state.report(
                UserError("The regions lie on the grid of another image.", "Show that image, then import them again.")
            )
            return
        if regions.warnings:
            self._state.told.emit(" ".join(regions.warnings))
        said = dict.fromkeys((*editor.regions.warnings, *regions.warnings))
        merged = replace(editor.regions, warnings=tuple(said))
        for region in regions.regions:
            merged = merged.with_new(region)
        if not len(editor.regions) and not editor.can_undo:
            # Nothing was drawn yet, so there is nothing to come back to.
            case.editor = RegionEditor(merged)
            self._state.touch_regions(case)
        else:
            self._edit(lambda used: used.replace_all(merged, "import regions"), case)
        if case.view.region is None and len(merged):
            self._select(case, merged.names[0])

    def _select(self, case: Case, name: str) -> None:
        if case is self._state.case:
            self._state.change_view(region=name)
        else:
            case.view = replace(case.view, region=name)

    def _names(self) -> tuple[str, ...]:
        regions = self._state.regions
        return regions.names if regions is not None else ()

    def _edit(self, change: Callable[[RegionEditor], object], case: Case | None = None) -> None:
        """Change the regions of ``case``, by default of the shown one."""
        case = case or self._state.case
        editor = self._editor_of(case)
        if case is None or editor is None:
            return
        before = editor.regions
        try:
            change(editor)
        except UserError as error:
            self._state.report(error)
        if editor.regions is not before:
            self._state.touch_regions(case)
