from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SCRIPT = """
import os
import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from saliency_viewer.domain import Volume, Window
from saliency_viewer.gui.viewer import SliceView
from saliency_viewer.render import to_grey
from saliency_viewer.spatial import Geometry

app = QApplication([])
if app.platformName() != "xcb":
    raise SystemExit(f"wrong platform {app.platformName()}")
array = np.arange(5 * 8 * 8, dtype=np.int16).reshape(5, 8, 8)
volume = Volume(array, Geometry.from_spacing(array.shape), "CT", window=Window(160, 320))
view = SliceView()
view.resize(400, 400)
view.set_volume(volume)
view.set_smooth(False)
view.set_tool("probe")
seen = []
view.crosshair_requested.connect(seen.append)
view.show()
if not QTest.qWaitForWindowExposed(view):
    raise SystemExit("never shown")
QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(225, 175))
if seen != [(2, 3, 4)]:
    raise SystemExit(f"clicked {seen}")
view.repaint()
QTest.qWait(200)
scale = float(os.environ["QT_SCALE_FACTOR"])
if view.devicePixelRatioF() != scale:
    raise SystemExit(f"ratio {view.devicePixelRatioF()}")
shown = view.screen().grabWindow(view.winId()).toImage().pixelColor(int(225.5 * scale), int(175.5 * scale))
wanted = int(to_grey(array[2], volume.window)[3, 4])
if (shown.red(), shown.green(), shown.blue()) != (wanted,) * 3:
    raise SystemExit(f"shows {shown.getRgb()} instead of {wanted}")
view.close()
"""


@pytest.mark.parametrize("scale", ["1", "2"])
def test_a_real_window_shows_the_right_pixel_and_takes_a_click(scale):
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("Xvfb is not installed (Debian package xvfb)")
    read_end, write_end = os.pipe()
    command = [server, "-displayfd", str(write_end), "-screen", "0", "1000x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL) as display:
        os.close(write_end)
        try:
            with os.fdopen(read_end) as stream:
                number = stream.readline().strip()
            assert number.isdigit()
            environment = os.environ | {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": scale}
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", SCRIPT],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            display.terminate()
    assert (done.returncode, done.stderr) == (0, "")
