"""A display window as plain numbers and texts, and back."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, get_args

from saliency_viewer.domain import Window
from saliency_viewer.domain.display import VoiFunction


def window_record(window: Window | None) -> dict[str, Any] | None:
    """JSON-ready record of a window; a table's bytes as base64."""
    if window is None:
        return None
    return {
        "centre": window.centre,
        "width": window.width,
        "function": window.function,
        "name": window.name,
        "table": base64.b64encode(window.table).decode("ascii"),
    }


def window_from(record: Any) -> Window | None:
    """The inverse of :func:`window_record`; None for what is no window, since an image can be shown without."""
    try:
        centre, width, function = float(record["centre"]), float(record["width"]), record["function"]
        table = base64.b64decode(record["table"], validate=True)
        name = str(record["name"])
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error):
        return None
    usable = math.isfinite(centre) and math.isfinite(width) and width > 0 and function in get_args(VoiFunction)
    return Window(centre, width, function, name, table) if usable and bool(table) == (function == "TABLE") else None
