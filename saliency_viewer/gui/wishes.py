"""What was asked for and is not there yet, and the picture that is shown until it is."""

from __future__ import annotations

from saliency_viewer.gui.facts import Preview
from saliency_viewer.gui.state import DocumentState


class Wishes:
    """What the user waits to see, the newest last.

    A wish is any object that stays the same: a token for a path, then the case that was found there. What comes after
    the user has turned to something else, or is in the middle of an outline, must not take the screen away.
    """

    def __init__(self, state: DocumentState) -> None:
        self._state = state
        self._open: list[object] = []
        self._seen: object | None = None  # whose preview is shown

    def add(self, wish: object) -> None:
        """It was asked for just now, perhaps once more."""
        self._open = [*(one for one in self._open if one is not wish), wish]

    def may_show(self, wish: object) -> bool:
        """Whether its image may take the place of what is shown."""
        newest = bool(self._open) and self._open[-1] is wish
        return not self._state.drawing and (newest or self._state.volume is None)

    def look(self, wish: object, preview: Preview) -> None:
        """Show a picture of what is still being read, if it may be shown."""
        if self.may_show(wish):
            self._seen = wish
            self._state.set_preview(preview)

    def turn_into(self, wish: object, other: object) -> None:
        """The wish is known better now; its preview stays."""
        self._open = [other if one is wish else one for one in self._open]
        self._seen = other if self._seen is wish else self._seen

    def grant(self, wish: object) -> bool:
        """It is there; returns whether to show it, and with it everything older is out of date."""
        shows = self.may_show(wish)
        if shows and wish in self._open:
            self._open = self._open[self._open.index(wish) + 1 :]
        self.drop(wish)
        return shows

    def drop(self, wish: object) -> None:
        """It will not come; what was seen of it goes."""
        self._open = [one for one in self._open if one is not wish]
        if self._seen is wish:
            self._seen = None
            self._state.set_preview(None)

    def clear(self) -> None:
        """Nothing is waited for any more."""
        self._open, self._seen = [], None
        self._state.set_preview(None)
