import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.training.datasets.problems import NOT_THERE, UNREADABLE, Problems, places


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([5], "row 5"),
        ([5, 9], "rows 5 and 9"),
        ([5, 9, 12], "rows 5, 9 and 12"),
        ([5, 9, 12, 13], "rows 5, 9, 12 and 1 more"),
        (list(range(2, 3002)), "rows 2, 3, 4 and 2,997 more"),
    ],
)
def test_places_are_few(rows, words):
    assert places(rows) == words


def test_nothing_wrong_raises_nothing():
    Problems().require_none(4)


def test_all_that_is_wrong_is_one_error_in_the_order_it_was_met():
    problems = Problems()
    for row in (12, 5, 9, 5):
        problems.add(NOT_THERE, row)
    problems.add(UNREADABLE, 7, "The file ends early.")
    problems.say("And that.", "Do so.")
    with pytest.raises(UserError) as caught:
        problems.require_none(4000)
    assert caught.value.message == (
        "3 of 4,000 images are not there: rows 5, 9 and 12. 1 of 4,000 images cannot be read: row 7. And that."
    )
    assert caught.value.hint.endswith("Do so. Rows are counted as in a spreadsheet: the header is row 1.")
    assert "The file ends early." in caught.value.detail
