"""When this process began to run the program's own code, for who wants to know how long the start took."""

from __future__ import annotations

import time

STARTED = time.perf_counter()
