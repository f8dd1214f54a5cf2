"""Our attribution engine and the libraries that people use today, timed in turn in one run.

    python -m benchmarks.attribution --out DIR [--quick] [--only ROW ...] [--threads N] [--device cuda]

``--list`` names the rows. Progress goes to stderr, tables to stdout, ``attribution.json`` and ``attribution.png``
to DIR. Rows of one kind of work start alike (``ig``, ``cam:``, ``lrp``), so ``--only cam`` takes them all.
"""

from __future__ import annotations

import os

# The contenders' convolutions together are more than the library remembers by default; those it forgot are compiled
# again, and the interleaving itself would be timed. Must be set before torch runs anything.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
