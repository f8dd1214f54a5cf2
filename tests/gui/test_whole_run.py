from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saliency_viewer.cli import run
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.session import Autosave

# The offscreen platform says this at every window with a smallest size; a screen's platform does not.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


def test_window_and_command_line_write_the_same_table(qtbot, tmp_path: Path, image: Path, mask: Path, tiny_model: Path):
    window = MainWindow(autosave=Autosave(tmp_path / "autosave"))
    qtbot.addWidget(window)
    window.show()
    window.start()
    try:
        window.intents.choose_model.emit(str(tiny_model))
        window.intents.open_paths.emit([str(image)])
        qtbot.waitUntil(lambda: window.state.volume is not None and window.state.card is not None, timeout=20000)
        window.intents.import_regions.emit(str(mask))
        qtbot.waitUntil(lambda: window.state.regions is not None, timeout=20000)
        window.methods.explain()
        qtbot.waitUntil(lambda: len(window.state.maps) == 2 and not window.busy, timeout=60000)
        assert window.state.case.rows
        window.intents.export.emit(str(tmp_path / "window"), False)
        qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)

        session = tmp_path / "work.svsession"
        window.saving.save(session)
        qtbot.waitUntil(lambda: not window.state.modified, timeout=20000)
        before = window.state.maps[0].array.copy()
        window.intents.open_paths.emit([str(session)])
        qtbot.waitUntil(lambda: window.state.current == 1, timeout=20000)
        np.testing.assert_array_equal(window.state.maps[0].array, before)
        assert len(window.state.regions) == 2
        qtbot.waitUntil(lambda: not window.busy, timeout=20000)
    finally:
        window.state.touch(False)
        window.close()
    arguments = ["explain", str(image), "--model", str(tiny_model), "--regions", str(mask)]
    for method in ("grad-cam", "integrated-gradients"):
        arguments += ["--method", method]
    assert run([*arguments, "--device", "auto", "--out", str(tmp_path / "command")]) == 0
    name = "attribution_statistics.csv"
    assert (tmp_path / "window" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
