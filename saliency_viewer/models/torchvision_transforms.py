"""What torchvision's and timm's transforms do, as ``[input]`` of a card.

Resizing equals torchvision's for tensors of floats, to a hundredth of a grey (of 255). Tensors of bytes are rounded to
whole greys, Pillow's images once more between rows and columns. A card keeps the fractions, so that it differs from
them by up to half a grey and by up to one; at sharp edges of a bicubic resize by up to five.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from saliency_viewer.domain import InputSpec
from saliency_viewer.domain.model_card import Interpolation
from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.transform_reading import Reading, Step

_INTERPOLATIONS: Mapping[str, Interpolation] = {
    "bilinear": "linear",
    "bicubic": "cubic",
    "nearest": "nearest",  # Pillow's, which torch calls nearest-exact
    "nearest-exact": "nearest",
}
_TIMM_CROP = 0.875
_EVALUATION = "Give the transforms that the network is evaluated with, without augmentation and functions of your own."


def spec_of_transforms(transforms: object) -> InputSpec:
    """``[input]`` of the transforms of torchvision weights, of a ``Compose`` or of a list of transforms.

    A ``ToTensor`` becomes a scale from what the file's encoding can hold, which for pictures of 8 bits is 0..255.
    Raises :class:`UserError` for a transform that no card can say.
    """
    reading = Reading()
    for transform in _each(transforms):
        _reader(transform)(transform, reading)
    return reading.spec()


def spec_of_timm(config: Mapping[str, Any]) -> InputSpec:
    """``[input]`` of timm's data config (``timm.data.resolve_data_config``, or a model's ``pretrained_cfg``)."""
    channels, *size = config["input_size"]
    scaled = [math.floor(n / (config.get("crop_pct") or _TIMM_CROP)) for n in size]
    mode = config.get("crop_mode") or "center"
    if mode == "squash":
        resize: Step = {"to": scaled}
    elif mode == "border":
        resize = {"within": scaled}
    else:
        resize = {"shorter": scaled[0]} if scaled[0] == scaled[1] else {"cover": scaled}
    reading = Reading(channels=channels)
    reading.resize(resize, _interpolation(config.get("interpolation", "bilinear")), True)
    if mode == "border":  # as bright as the mean, which the last step turns into 0: padded when all else is done
        reading.overshoots = False
        reading.spatial += [{"step": "pad", "size": size}]
    reading.spatial += [{"step": "crop", "size": size}]
    mean, std = (_numbers(config[key]) for key in ("mean", "std"))
    reading.scale()
    reading.tone({"step": "normalize", "mean": mean, "std": std})
    return reading.spec()


def spec_named(name: str) -> InputSpec:
    """``[input]`` of ``torchvision:ResNet50_Weights.IMAGENET1K_V2`` or ``timm:resnet50.a1_in1k``.

    Nothing is downloaded. Raises :class:`UserError` when there is no such name.
    """
    family, _, rest = name.partition(":")
    if family == "torchvision" and rest:
        return spec_of_transforms(_torchvision_weights(rest).transforms())
    if family == "timm" and rest:
        return spec_of_timm(_timm_config(rest))
    raise UserError(
        f"'{name}' names no transforms.",
        "Write torchvision:WEIGHTS, for example torchvision:ResNet50_Weights.IMAGENET1K_V2, or timm:MODEL.",
    )


def _torchvision_weights(name: str) -> Any:
    from torchvision import models

    try:
        return models.get_weight(name)
    except (ValueError, AttributeError, KeyError):
        every = [weights for model in models.list_models() for weights in models.get_model_weights(model)]
        raise UserError(
            f"torchvision has no weights named '{name}'.", near_match(name, dict.fromkeys(str(one) for one in every))
        ) from None


def _timm_config(name: str) -> Mapping[str, Any]:
    try:
        from timm.models import get_pretrained_cfg, list_models
    except ImportError:
        raise UserError("timm is not installed.", "Install it: pip install timm.") from None
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError:
        config = None
    if config is None:
        raise UserError(f"timm has no model '{name}'.", near_match(name, list_models(pretrained=True)))
    return dict(config.to_dict())  # type: ignore[no-untyped-call]


def _each(transforms: object) -> Iterable[Any]:
    """The single transforms, out of lists and ``Compose`` within each other."""
    inside = getattr(transforms, "transforms", transforms)
    if isinstance(inside, (list, tuple)) or type(inside).__name__ in ("Sequential", "ModuleList"):
        for one in inside:  # type: ignore[attr-defined]
            yield from _each(one)
    else:
        yield transforms


def _classification(transform: Any, reading: Reading) -> None:
    _add_resize(reading, transform.resize_size, transform.interpolation, transform.antialias)
    reading.crop(_pair(transform.crop_size))
    _scale(transform, reading)
    reading.tone({"step": "normalize", "mean": _numbers(transform.mean), "std": _numbers(transform.std)})


def _resize(transform: Any, reading: Reading) -> None:
    if getattr(transform, "max_size", None) is not None:
        raise UserError("The transforms resize with a max_size, which no card can say.", _EVALUATION)
    _add_resize(reading, transform.size, transform.interpolation, getattr(transform, "antialias", True))


def _add_resize(reading: Reading, size: Any, interpolation: Any, antialias: bool | None) -> None:
    listed = [size] if isinstance(size, int) else [int(n) for n in size]
    target: Step = {"shorter": listed[0]} if len(listed) == 1 else {"to": listed}
    # Pillow smooths whatever it is told; only tensors listen.
    smooth = not (reading.is_tensor and antialias is False)
    reading.resize(target, _interpolation(interpolation), smooth)


def _interpolation(interpolation: Any) -> Interpolation:
    word = str(getattr(interpolation, "value", interpolation))
    if word not in _INTERPOLATIONS:
        raise UserError(f"The transforms resize by {word}, which no card can say.", near_match(word, _INTERPOLATIONS))
    return _INTERPOLATIONS[word]


def _centre_crop(transform: Any, reading: Reading) -> None:
    reading.crop(_pair(transform.size))


def _pad(transform: Any, reading: Reading) -> None:
    fill = transform.fill
    values = set(fill) if isinstance(fill, (list, tuple)) else {0 if fill is None else fill}
    if transform.padding_mode != "constant" or len(values) != 1 or not isinstance(min(values), (int, float)):
        raise UserError("The transforms pad with something else than one value, which no card can say.", _EVALUATION)
    given = transform.padding
    border = [given] * 4 if isinstance(given, int) else list(given) * (4 // len(given))
    left, top, right, bottom = border
    reading.pad({"step": "pad", "by": [[top, bottom], [left, right]]}, float(min(values)))


def _scale(_transform: Any, reading: Reading) -> None:
    reading.scale()


def _to_dtype(transform: Any, reading: Reading) -> None:
    if getattr(transform, "scale", True):
        _scale(transform, reading)


def _to_tensor_as_it_is(_transform: Any, reading: Reading) -> None:
    reading.is_tensor = True


def _normalize(transform: Any, reading: Reading) -> None:
    mean, std = _numbers(transform.mean), _numbers(transform.std)
    if len(mean) == 1 and not reading.colour:
        reading.channels = 1
    reading.tone({"step": "normalize", "mean": mean, "std": std})


def _grayscale(transform: Any, reading: Reading) -> None:
    reading.channels, reading.colour = transform.num_output_channels, "grey"


def _nothing(_transform: Any, _reading: Reading) -> None:
    pass


_READERS: tuple[tuple[tuple[str, ...], Callable[[Any, Reading], None]], ...] = (
    (("ImageClassification",), _classification),
    (("Resize",), _resize),
    (("CenterCrop",), _centre_crop),
    (("Pad",), _pad),
    (("ToTensor", "ConvertImageDtype", "ConvertDtype"), _scale),
    (("ToDtype",), _to_dtype),
    (("PILToTensor", "ToImage", "ToPureTensor"), _to_tensor_as_it_is),
    (("Normalize",), _normalize),
    (("Grayscale",), _grayscale),
    (("RGB", "Identity"), _nothing),
)


def _reader(transform: Any) -> Callable[[Any, Reading], None]:
    name, home = type(transform).__name__, type(transform).__module__
    found = next((read for names, read in _READERS if name in names), None) if home.startswith("torch") else None
    if found is None:
        raise UserError(f"The transforms hold {name}, which no card can say.", _EVALUATION)
    return found


def _pair(size: Any) -> list[int]:
    listed = [size] if isinstance(size, int) else [int(n) for n in size]
    return listed * 2 if len(listed) == 1 else listed


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values]
