"""Every expected mask or text here was worked out by hand on paper, not by the other function."""

import numpy as np
import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.spatial.run_lengths import mask_runs, parse_runs, runs_mask

# Down the columns: pixel k of an image with 3 rows and 4 columns is row k % 3, column k // 3.
#    0 3 6 9
#    1 4 7 10
#    2 5 8 11
ONE_PIXEL = ["....", "...#", "...."]  # pixel 10
FIRST = ["#...", "....", "...."]  # pixel 0
LAST = ["....", "....", "...#"]  # pixel 11
OVER_AN_END = ["....", ".#..", "##.."]  # pixels 2, then 4, 5: two runs, since pixel 3 is free
OVER_A_COLUMN = [".#..", ".#..", "#..."]  # pixels 2, 3, 4: one run over the end of the first column
TWO = ["#..#", "#...", "...."]  # pixels 0, 1 and 9: seven free ones between
FULL = ["####", "####", "####"]

CASES = [
    (ONE_PIXEL, "10 1"),
    (FIRST, "0 1"),
    (LAST, "11 1"),
    (OVER_AN_END, "2 1 1 2"),
    (OVER_A_COLUMN, "2 3"),
    (TWO, "0 2 7 1"),
    (FULL, "0 12"),
    (["....", "....", "...."], "-1"),
]


def drawn(lines):
    return np.array([[letter == "#" for letter in line] for line in lines])


@pytest.mark.parametrize(("lines", "text"), CASES)
def test_runs_become_the_mask_that_was_drawn(lines, text):
    assert np.array_equal(runs_mask(text, (3, 4)), drawn(lines))


@pytest.mark.parametrize(("lines", "text"), CASES)
def test_a_drawn_mask_becomes_its_runs(lines, text):
    assert mask_runs(drawn(lines)) == text


def test_gaps_count_from_the_end_of_the_run_before_and_not_from_the_image_start():
    # Absolute starts would mark pixels 5..6 and 7; from the end of the first run, 7 free pixels lead to pixel 14.
    marked = np.flatnonzero(runs_mask("5 2 7 1", (20, 20)).T.ravel())
    assert marked.tolist() == [5, 6, 14]


def test_the_published_size_counts_down_the_columns():
    # 387620 = 378 * 1024 + 548; the run of 23 ends before row 571, and 996 free pixels lead to row 543 of column 379.
    mask = runs_mask("387620 23 996 33", (1024, 1024))
    assert sorted(set(np.nonzero(mask)[1])) == [378, 379]
    assert np.flatnonzero(mask[:, 378])[[0, -1]].tolist() == [548, 570]
    assert np.flatnonzero(mask[:, 379])[[0, -1]].tolist() == [543, 575]


@pytest.mark.parametrize("text", ["-1", " -1", "", "  "])
def test_no_finding_is_an_empty_mask(text):
    assert not runs_mask(text, (3, 4)).any()


def test_a_run_may_touch_the_end_and_not_pass_it():
    assert runs_mask("11 1", (3, 4)).sum() == 1
    with pytest.raises(UserError, match="leave the image"):
        runs_mask("11 2", (3, 4))
    with pytest.raises(UserError, match="leave the image"):
        runs_mask("12 1", (3, 4))


def test_numbers_too_large_to_add_up_leave_the_image_too():
    with pytest.raises(UserError, match="leave the image"):
        runs_mask(" ".join(["999999999999999"] * 20_000), (3, 4))


@pytest.mark.parametrize("text", ["1 2 3", "7"])
def test_a_missing_number_is_said(text):
    with pytest.raises(UserError, match="odd number"):
        parse_runs(text)


@pytest.mark.parametrize("text", ["1 x", "1.5 2", "-3 4", "1 -1", "nan", "1 1" + "0" * 30, "٣ 1"])
def test_what_is_no_whole_number_is_said(text):
    with pytest.raises(UserError, match="whole numbers"):
        parse_runs(text)


def test_any_nonzero_value_belongs_to_the_mask_and_rows_are_not_columns():
    assert mask_runs(np.array([[0, 255], [0, 7], [0, 0]], dtype=np.uint8)) == "3 2"
    assert runs_mask("3 2", (3, 2)).tolist() == [[False, True], [False, True], [False, False]]
