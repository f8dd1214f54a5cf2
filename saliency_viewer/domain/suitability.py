"""Whether a study is of the kind that a model was made for. It is explained in any case, with a warning."""

from __future__ import annotations

from saliency_viewer.domain.model_card import ModelCard
from saliency_viewer.domain.volume import Volume

_ROUNDING = 0.01  # of a spacing: 0.9999 mm is within a range from 1 mm


def study_warnings(card: ModelCard, volume: Volume) -> tuple[str, ...]:
    """Sentences about everything in which ``volume`` is not what the card says, empty when nothing is."""
    found = (
        card.mismatch(volume.modality, volume.body_part, volume.view),
        _colour(card, volume),
        *_spacing(card, volume),
        _slices(card, volume),
        _depth(card, volume),
        _sides(card, volume),
    )
    return tuple(sentence for sentence in found if sentence)


def _colour(card: ModelCard, volume: Volume) -> str:
    spec, is_colour = card.input, volume.colour is not None
    if spec.colour == "colour" and not is_colour:
        return "This model was trained on colour images, but this image is grey: its answer may mean nothing."
    if not is_colour or spec.colour == "colour":
        return ""
    if spec.colour == "grey":
        return "This model was trained on grey images: of this colour image it sees the brightness."
    one_channel = spec.channels == 1 or spec.layout == "2.5d"
    return "This model takes grey images: of this colour image it sees the brightness." if one_channel else ""


def _spacing(card: ModelCard, volume: Volume) -> tuple[str, ...]:
    geometry = volume.geometry
    wanted = card.pixel_spacing or card.slice_spacing
    if wanted and geometry.calibration == "none":
        return ("This model was made for images of certain pixel sizes, but this image does not say its own.",)
    stacked = geometry.through_space and not geometry.is_planar
    distances = {
        "pixels": (card.pixel_spacing, geometry.spacing[1:]),
        "slices": (card.slice_spacing, geometry.spacing[:1] if stacked else ()),
    }
    return tuple(
        f"This model was made for {what} {_range(wanted)} mm apart, but here they are "
        f"{max(outside):.3g} mm apart: its answer may mean nothing."
        for what, (wanted, have) in distances.items()
        if wanted and (outside := [value for value in have if not _within(value, wanted)])
    )


def _slices(card: ModelCard, volume: Volume) -> str:
    count = volume.geometry.shape[0]
    if not card.slices or _within(count, card.slices):
        return ""
    wanted = _range(card.slices)
    return f"This model was made for {wanted} slices, but this image has {count}: its answer may mean nothing."


def _depth(card: ModelCard, volume: Volume) -> str:
    """Networks that look across slices need slices that lie side by side."""
    if card.input.layout == "2d":
        return ""
    if volume.geometry.is_planar:
        return "This model looks across slices, but this image has only one."
    if not volume.geometry.through_space:
        return "This model looks across slices, but these follow each other in time or lie at unknown places."
    return ""


def _sides(card: ModelCard, volume: Volume) -> str:
    if not card.input.orientation or volume.geometry.oriented:
        return ""
    return (
        f"This model wants images turned to {card.input.orientation}, but which side is which is not known of this "
        "one: it sees it as it is stored."
    )


def _within(value: float, limits: tuple[float, ...]) -> bool:
    return limits[0] * (1 - _ROUNDING) <= value <= limits[1] * (1 + _ROUNDING)


def _range(limits: tuple[float, ...]) -> str:
    return f"{limits[0]:g} to {limits[1]:g}"
