"""Numbers of channels that no image here has, and what to do with a network that wants them."""

from __future__ import annotations

_PICTURES = (1, 3)  # grey, and colour or grey three times


def has_channels(layout: str, channels: int) -> bool:
    """Whether an image can be given to a network of this layout in so many channels.

    Those of ``2.5d`` are a slice with as many neighbours on either side, an odd number.
    """
    return channels % 2 == 1 if layout == "2.5d" else channels in _PICTURES


def channels_advice(layout: str, channels: int) -> str:
    """What to do with a network that wants so many channels, where :func:`has_channels` says no."""
    slices = "" if layout == "3d" else ', or with layout = "2.5d" an odd number of neighbouring slices'
    return (
        f"Channels are 1 (grey) or 3 (colour){slices}. A network that is shown {channels} at once, such as several MR "
        'sequences, cannot be asked about one image as it is: bring it as architecture = "python:FILE.py:CLASS", with '
        f"a class that makes the {channels} channels out of one, and write channels = 1."
    )
