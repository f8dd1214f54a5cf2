from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.render import COLOUR_MAPS, colour_table


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_table_is_matplotlibs(name):
    import matplotlib

    expected = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    assert np.array_equal(colour_table(name), expected)


def test_table_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        colour_table("inferno")[0] = 1


def test_unknown_colour_map_names_the_known_ones():
    with pytest.raises(UserError) as caught:
        colour_table("jet")
    assert "inferno" in caught.value.hint


def test_colours_are_ready_without_matplotlib_scipy_or_torch():
    script = (
        "import sys, saliency_viewer.render as r; r.colour_table('RdBu_r');"
        "print([m for m in ('matplotlib', 'scipy', 'torch', 'PySide6') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
