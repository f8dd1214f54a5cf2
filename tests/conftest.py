"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# Set before Qt or torch is imported anywhere in the test run.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The same examples in every run: a run that fails must fail again. "explore" looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore")
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

DATA_VARIABLE = "SALIENCY_VIEWER_TEST_DATA"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the licensed real images that are not part of this repository; skips where it is absent."""
    beside_checkout = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, beside_checkout))
    if not (folder / "manifest.tsv").exists():
        pytest.skip(f"the shared test images are not at hand (set {DATA_VARIABLE} to their folder)")
    return folder
