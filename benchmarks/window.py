"""How quickly the window stands, how long a frame takes, and how long it is ever deaf while a map is computed.

Usage: ``python benchmarks/window.py [STUDY MODEL ...]``; the last needs both, and compares several models.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_START = """
import time; begun = time.perf_counter()
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from saliency_viewer.gui import theme
from saliency_viewer.gui.window import MainWindow
app = QApplication([]); theme.dress(app)
window = MainWindow(); window.show()
QTimer.singleShot(0, lambda: (print(time.perf_counter() - begun), app.quit()))
app.exec(); window.end()
"""
_BEAT = 5  # ms


def start_up() -> float:
    """Seconds from the start of a fresh interpreter to the first turn of the event loop with the window shown."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", _START], check=True, capture_output=True)
    return time.perf_counter() - begun


def largest_gap(study: str, models: Sequence[str]) -> tuple[float, float]:
    """(largest, 99th percentile) gap in seconds between beats of a timer while maps are computed.

    With one model from pressing Explain to the maps, with several from pressing Run on the comparison's page to the
    measured agreement.
    """
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from saliency_viewer.gui.app import prepare
    from saliency_viewer.gui.window import MainWindow

    app = QApplication.instance() or QApplication([])
    prepare(app)
    window = MainWindow()
    window.show()
    window.start()
    window.intents.choose_model.emit(models[0])
    window.intents.open_paths.emit([study])
    compared = window.comparing.state
    if models[1:]:
        window.intents.compare.emit()
    for model in models[1:]:
        window.intents.compare_add.emit(model)
    beats: list[float] = []
    asked = False

    def beat() -> None:
        nonlocal asked
        if not asked:
            ready = window.state.volume is not None and window.state.card is not None
            asked = ready and (not models[1:] or len(compared.entries) == len(models))
            if asked:
                (window.comparing.run if models[1:] else window.methods.explain)()
            return
        beats.append(time.perf_counter())
        if (compared.comparison if models[1:] else window.state.maps) and not window.busy:
            timer.stop()  # closing waits for the compute process to end, which is not what is measured here
            window.state.forget_changes()  # else the window would ask before it lets the program end
            app.quit()

    timer = QTimer()
    timer.setInterval(_BEAT)
    timer.timeout.connect(beat)
    timer.start()
    app.exec()
    timer.stop()
    window.state.forget_changes()
    window.close()
    gaps = sorted(after - before for before, after in itertools.pairwise(beats))
    return gaps[-1], gaps[int(0.99 * len(gaps))]


def frame_times(size: int = 1024, turns: int = 20) -> dict[str, float]:
    """Median seconds to draw an image with a map and two regions again after each kind of change."""
    import numpy as np
    from PySide6.QtCore import QPoint, QPointF
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QApplication

    from saliency_viewer.domain import AttributionMap, Provenance, Region, RegionSet, Validity, Volume, Window
    from saliency_viewer.gui.viewer import SliceView
    from saliency_viewer.render import MapStyle
    from saliency_viewer.spatial import Geometry

    app = QApplication.instance() or QApplication([])
    geometry = Geometry.from_spacing((2, size, size))
    random = np.random.default_rng(0)
    pixels = random.integers(0, 4096, geometry.shape, dtype=np.uint16)
    values = random.normal(size=geometry.shape).astype(np.float32)
    view = SliceView()
    view.resize(size, size)
    view.set_volume(Volume(pixels, geometry, "DX", window=Window(2000, 3000)))
    provenance = Provenance("gradient", {}, "finding", 0)
    view.set_map(
        AttributionMap(values, geometry, "gradient", "finding", Validity("verified"), provenance),
        MapStyle("RdBu_r", -2.0, 2.0),
    )
    rows, columns = np.mgrid[:size, :size] / size
    regions = RegionSet(geometry)
    for name, x in (("right", 0.28), ("left", 0.72)):
        wavy = ((rows - 0.45) / 0.35) ** 2 + ((columns - x + 0.01 * np.sin(80 * rows)) / 0.17) ** 2 < 1
        regions = regions.with_region(Region.from_mask(name, "#56B4E9", np.stack([wavy, wavy])))
    view.set_regions(regions, "right")
    target = QImage(size, size, QImage.Format.Format_RGB32)
    view.render(target, QPoint())
    changes = {
        "window": lambda turn: view.set_window(Window(2000 + turn, 3000)),
        "slice": lambda turn: view.set_slice(turn % 2),
        "pan": lambda _: view.pan(QPointF(1, 1)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in changes}
    for turn in range(turns):
        for name, change in changes.items():
            change(turn)
            start = time.perf_counter()
            view.render(target, QPoint())
            seconds[name].append(time.perf_counter() - start)
    app.processEvents()
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Print them."""
    print(f"start-up                 {min(start_up() for _ in range(3)):6.2f} s")
    for change, seconds in frame_times().items():
        print(f"frame after {change:12s} {1000 * seconds:6.1f} ms (1024 x 1024, map and two regions)")
    if len(sys.argv) > 2:
        worst, usual = largest_gap(sys.argv[1], sys.argv[2:])
        print(f"largest event-loop gap   {1000 * worst:6.0f} ms (99 % below {1000 * usual:.0f} ms)")


if __name__ == "__main__":
    main()
