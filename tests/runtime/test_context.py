from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.errors import Cancelled
from saliency_viewer.runtime.context import RunContext


def test_parts_fill_their_share_of_the_whole():
    seen = []
    context = RunContext(progress=lambda fraction, text: seen.append((fraction, text)))
    context.part(0.0, 0.5).report(0.5, "first")
    context.part(0.5, 1.0).part(0.0, 0.5).report(1.0, "nested")
    assert seen == [(0.25, "first"), (0.75, "nested")]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(-3, 3))))
def test_progress_never_goes_back_and_stays_within_its_bounds(steps):
    seen = []
    context = RunContext(progress=lambda fraction, text: seen.append(fraction))
    for start, stop, fraction in steps:
        context.part(min(start, stop), max(start, stop)).report(fraction)
    assert seen == sorted(seen)
    assert all(0 <= fraction <= 1 for fraction in seen)


def test_cancel_is_noticed_at_checks_and_reports_of_every_part():
    context = RunContext(cancel=lambda: True)
    for act in (context.check, lambda: context.report(0.1), lambda: context.part(0, 0.5).part(0, 1).check()):
        with pytest.raises(Cancelled):
            act()


def test_without_callbacks_nothing_happens():
    RunContext().check()
    RunContext().report(0.5)
