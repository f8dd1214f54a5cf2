"""Write resources/timm_networks.json: the names of timm's networks by the fingerprint of their weights.

Run it again when timm has new networks: python packaging/timm_index.py (it takes some minutes, and downloads nothing).
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "resources" / "timm_networks.json"


def make_index() -> dict[str, list[str]]:
    """Names by fingerprint, the shortest name first. Networks that cannot be built without memory are left out."""
    import timm

    from saliency_viewer.models.recognition.blueprints import blueprint
    from saliency_viewer.models.recognition.of_timm import fingerprint

    found: dict[str, list[str]] = {}
    for name in sorted(timm.list_models(), key=lambda name: (len(name), name)):
        plan = blueprint(f"timm:{name}")
        if plan is not None:
            found.setdefault(fingerprint(plan.shapes), []).append(name)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    index = make_index()
    TARGET.write_text(json.dumps(index, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.stdout.write(f"{sum(map(len, index.values()))} networks, {len(index)} fingerprints\n")
