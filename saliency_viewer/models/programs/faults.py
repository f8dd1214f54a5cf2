"""What is said of program files that cannot be read."""

from __future__ import annotations

from saliency_viewer.errors import UserError


def damaged(what: str, error: Exception) -> UserError:
    """``what`` is the kind of file that it should be."""
    detail = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return UserError(f"The weights file is damaged, or is not {what}.", "Copy or download it again.", detail)
