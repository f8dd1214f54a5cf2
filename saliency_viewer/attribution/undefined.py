"""The one refusal that is no mistake of the user's."""

from __future__ import annotations

from saliency_viewer.errors import UserError


class NotDefinedHere(UserError):  # noqa: N818 - reads as what it says
    """The method has no meaning for this network: no map is better than an unmarked wrong one."""
