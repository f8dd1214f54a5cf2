from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.regions import RegionEditor
from saliency_viewer.spatial import Geometry

SHAPE = (5, 6, 7)
GRID = Geometry.from_spacing(SHAPE)


def state_of(editor):
    """Everything that undo must bring back."""
    return tuple(
        (region.name, region.colour, region.locked, region.mask(editor.regions.geometry.shape).tobytes())
        for region in editor.regions.regions
    )


@pytest.fixture
def editor():
    made = RegionEditor(RegionSet(GRID))
    made.add("lesion")
    return made


def disc(axis, fill=slice(1, 4)):
    mask = np.zeros([n for k, n in enumerate(SHAPE) if k != axis], dtype=bool)
    mask[fill, fill] = True
    return mask


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stroke_lands_on_its_slice_and_nowhere_else(editor, axis):
    editor.paint("lesion", axis, 2, disc(axis), True)
    full = np.zeros(SHAPE, dtype=bool)
    np.moveaxis(full, axis, 0)[2] = disc(axis)
    assert np.array_equal(editor.regions.get("lesion").mask(SHAPE), full)


def test_five_slices_then_five_times_undo_is_the_start(editor):
    start = state_of(editor)
    for index in range(5):
        editor.paint("lesion", 0, index, disc(0), True)
    drawn = state_of(editor)
    for _ in range(5):
        editor.undo()
    assert state_of(editor) == start
    for _ in range(5):
        editor.redo()
    assert state_of(editor) == drawn


def test_undo_of_a_stroke_says_which_slice_to_show(editor):
    editor.paint("lesion", 1, 3, disc(1), True, "brush")
    assert editor.undo_text == "brush on lesion"
    edit = editor.undo()
    assert edit is not None
    assert edit.where == (1, 3)
    assert editor.redo_text == "brush on lesion"


def test_nothing_to_undo_gives_none():
    made = RegionEditor(RegionSet(GRID))
    assert made.undo() is None
    assert made.redo() is None
    assert not made.can_undo
    assert not made.can_redo


def test_stroke_that_changes_nothing_is_no_step(editor):
    editor.paint("lesion", 0, 1, disc(0), True)
    assert not editor.paint("lesion", 0, 1, disc(0), True)
    editor.undo()
    assert editor.regions.get("lesion").voxels == 0


def test_overlapping_stroke_undoes_only_what_it_added(editor):
    editor.paint("lesion", 0, 1, disc(0), True)
    before = state_of(editor)
    editor.paint("lesion", 0, 1, disc(0, slice(2, 6)), True)
    editor.undo()
    assert state_of(editor) == before


def test_new_edit_forgets_what_was_undone(editor):
    editor.paint("lesion", 0, 1, disc(0), True)
    editor.undo()
    editor.recolour("lesion", "#123456")
    assert not editor.can_redo


def test_rename_recolour_lock_and_removal_are_undone_in_place(editor):
    editor.add("organ")
    editor.paint("lesion", 0, 2, disc(0), True)
    states = [state_of(editor)]
    for change in (
        lambda: editor.rename("lesion", "nodule"),
        lambda: editor.recolour("nodule", "#ABCDEF"),
        lambda: editor.set_locked("organ", True),
        lambda: editor.remove("nodule"),
        lambda: editor.replace_all(RegionSet(GRID, (Region.from_mask("new", "#000000", np.ones(SHAPE)),))),
    ):
        change()
        states.append(state_of(editor))
    for state in reversed(states[:-1]):
        editor.undo()
        assert state_of(editor) == state
    for state in states[1:]:
        editor.redo()
        assert state_of(editor) == state


def test_locked_region_refuses_every_edit_but_unlocking(editor):
    editor.paint("lesion", 0, 2, disc(0), True)
    editor.set_locked("lesion", True)
    before = state_of(editor)
    for change in (
        lambda: editor.paint("lesion", 0, 1, disc(0), True),
        lambda: editor.rename("lesion", "other"),
        lambda: editor.recolour("lesion", "#ABCDEF"),
        lambda: editor.remove("lesion"),
    ):
        with pytest.raises(UserError, match="locked"):
            change()
    assert state_of(editor) == before
    editor.set_locked("lesion", False)
    assert editor.paint("lesion", 0, 1, disc(0), True)


def test_bad_names_and_colours_are_refused_with_a_hint(editor):
    editor.add("organ")
    for change in (
        lambda: editor.rename("lesion", "organ"),
        lambda: editor.rename("lesion", "   "),
        lambda: editor.recolour("lesion", "blue"),
        lambda: editor.paint("nobody", 0, 1, disc(0), True),
        lambda: editor.replace_all(RegionSet(Geometry.from_spacing((1, 2, 3)))),
    ):
        with pytest.raises(UserError) as caught:
            change()
        assert caught.value.hint
    assert editor.regions.names == ("lesion", "organ")


def test_taken_name_gets_a_number_and_colours_differ(editor):
    assert editor.add("lesion") == "lesion 2"
    assert editor.add() == "Region"
    assert len({region.colour for region in editor.regions.regions}) == 3


def test_visibility_is_no_step_of_the_history(editor):
    editor.set_visible("lesion", False)
    assert not editor.regions.get("lesion").visible
    editor.undo()
    assert editor.regions.names == ()


def test_older_sets_stay_as_they_were(editor):
    editor.paint("lesion", 0, 1, disc(0), True)
    kept = editor.regions
    before = kept.get("lesion").mask(SHAPE)
    editor.paint("lesion", 0, 1, disc(0), False)
    assert np.array_equal(kept.get("lesion").mask(SHAPE), before)


def test_wrong_slice_or_shape_is_a_programming_error(editor):
    with pytest.raises(ValueError, match="no slice"):
        editor.paint("lesion", 0, 9, disc(0), True)
    with pytest.raises(ValueError, match="no slice"):
        editor.paint("lesion", 1, 0, disc(0), True)


def test_fifty_steps_on_a_large_grid_stay_small_and_quick():
    shape = (256, 256, 256)
    made = RegionEditor(RegionSet(Geometry.from_spacing(shape)))
    organ = np.zeros(shape, dtype=bool)
    organ[20:230, 20:230, 20:230] = True
    made.replace_all(RegionSet(Geometry.from_spacing(shape), (Region.from_mask("organ", "#56B4E9", organ),)))
    rows, columns = np.ogrid[:256, :256]
    seconds = []
    for step in range(50):
        stroke = (rows - 5 * step) ** 2 + (columns - 128) ** 2 < 60**2
        began = time.perf_counter()
        made.paint("organ", step % 3, 3 * step, stroke, step % 2 == 0)
        made.rename("organ", "organ")
        seconds.append(time.perf_counter() - began)
    assert made.history_bytes < 10 * 2**20
    assert np.median(seconds) < 0.1
    while made.can_undo:
        made.undo()
    assert made.regions.names == ()


def test_history_forgets_the_oldest_beyond_its_bytes():
    shape = (4, 128, 128)
    made = RegionEditor(RegionSet(Geometry.from_spacing(shape)), history_bytes=10_000)
    made.add("r")
    for step in range(20):
        made.paint("r", 0, step % 4, np.ones((128, 128)), step // 4 % 2 == 0)
        assert made.history_bytes <= 10_000
    steps = 0
    while made.undo() is not None:
        steps += 1
    assert steps == 4  # each keeps 128 * 128 / 8 = 2048 bytes


class Drawing(RuleBasedStateMachine):
    """Any sequence of edits against plain full masks; undo and redo against a list of states."""

    def __init__(self):
        super().__init__()
        self.editor = RegionEditor(RegionSet(GRID))
        self.states, self.position = [{}], 0

    def note(self, state):
        self.states = [*self.states[: self.position + 1], state]
        self.position += 1

    @property
    def now(self):
        return {name: mask.copy() for name, mask in self.states[self.position].items()}

    @rule()
    def add(self):
        state = self.now
        state[self.editor.add("r")] = np.zeros(SHAPE, dtype=bool)
        self.note(state)

    @precondition(lambda self: self.states[self.position])
    @rule(data=st.data(), axis=st.integers(0, 2), seed=st.integers(0, 999), value=st.booleans())
    def paint(self, data, axis, seed, value):
        state = self.now
        name = data.draw(st.sampled_from(sorted(state)))
        index = seed % SHAPE[axis]
        stroke = np.random.default_rng(seed).random([n for k, n in enumerate(SHAPE) if k != axis]) < 0.2
        before = state[name].copy()
        np.moveaxis(state[name], axis, 0)[index][stroke] = value
        if self.editor.paint(name, axis, index, stroke, value):
            self.note(state)
        else:
            assert np.array_equal(before, state[name])

    @precondition(lambda self: self.states[self.position])
    @rule(data=st.data())
    def remove(self, data):
        state = self.now
        name = data.draw(st.sampled_from(sorted(state)))
        del state[name]
        self.editor.remove(name)
        self.note(state)

    @rule()
    def undo(self):
        assert (self.editor.undo() is not None) == (self.position > 0)
        self.position = max(self.position - 1, 0)

    @rule()
    def redo(self):
        assert (self.editor.redo() is not None) == (self.position < len(self.states) - 1)
        self.position = min(self.position + 1, len(self.states) - 1)

    @invariant()
    def masks_agree_and_boxes_are_tight(self):
        expected = self.states[self.position]
        assert set(self.editor.regions.names) == set(expected)
        for region in self.editor.regions.regions:
            assert np.array_equal(region.mask(SHAPE), expected[region.name])
            tight = Region.from_mask("x", "#000000", expected[region.name])
            assert (region.origin, region.patch.shape) == (tight.origin, tight.patch.shape)


TestDrawing = Drawing.TestCase
TestDrawing.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
