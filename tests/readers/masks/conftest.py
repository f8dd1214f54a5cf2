"""The tests of masks share the writers in ``mask_files``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # test folders are no packages; behind others, whose names win
