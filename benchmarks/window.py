"""How quickly the window stands, and how long it is ever deaf while a map is computed.

Usage: ``python benchmarks/window.py STUDY MODEL``; prints two lines.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time

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


def largest_gap(study: str, model: str) -> tuple[float, float]:
    """(largest, 99th percentile) gap in seconds between beats of a timer from pressing Explain to the maps."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from saliency_viewer.gui import theme
    from saliency_viewer.gui.window import MainWindow

    app = QApplication.instance() or QApplication([])
    theme.dress(app)
    window = MainWindow()
    window.show()
    window.start()
    window.intents.choose_model.emit(model)
    window.intents.open_paths.emit([study])
    beats: list[float] = []
    asked = False

    def beat() -> None:
        nonlocal asked
        if not asked:
            asked = window.state.volume is not None and window.state.card is not None
            if asked:
                window.methods.explain()
            return
        beats.append(time.perf_counter())
        if window.state.maps and not window.busy:
            timer.stop()  # closing waits for the compute process to end, which is not what is measured here
            window.state.touch(False)  # else the window would ask before it lets the program end
            app.quit()

    timer = QTimer()
    timer.setInterval(_BEAT)
    timer.timeout.connect(beat)
    timer.start()
    app.exec()
    timer.stop()
    window.state.touch(False)
    window.close()
    gaps = sorted(after - before for before, after in itertools.pairwise(beats))
    return gaps[-1], gaps[int(0.99 * len(gaps))]


def main() -> None:
    """Print both."""
    print(f"start-up                 {min(start_up() for _ in range(3)):6.2f} s")
    if len(sys.argv) == 3:
        worst, usual = largest_gap(sys.argv[1], sys.argv[2])
        print(f"largest event-loop gap   {1000 * worst:6.0f} ms (99 % below {1000 * usual:.0f} ms)")


if __name__ == "__main__":
    main()
