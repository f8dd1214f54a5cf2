"""Torch's own modules for single operators, as whoever wrote the network had them.

Libraries that look for layers by their class find them, and the layer tree shows what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.programs.steps import Step, Value, Weight, leaves

_CONVOLUTIONS = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}
_NORMALISATIONS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
# Activations by the name of their operator; a second number names the arguments after the input.
_ACTIVATIONS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "relu": (nn.ReLU, ()),
    "relu6": (nn.ReLU6, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val")),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope",)),
    "elu": (nn.ELU, ("alpha",)),
    "silu": (nn.SiLU, ()),
    "mish": (nn.Mish, ()),
    "hardswish": (nn.Hardswish, ()),
    "hardsigmoid": (nn.Hardsigmoid, ()),
}

Lookup = Callable[[str], Tensor]


def native(step: Step, axes: int | None, weight: Lookup) -> nn.Module | None:
    """The module that does what the step does with its first argument, None where there is none.

    ``axes``: number of axes of the step's result; ``weight`` gives a parameter or buffer by its name.
    """
    if not step.args or not isinstance(step.args[0], Value) or sum(1 for _ in step.values()) != 1:
        return None
    name = step.name
    if name in _ACTIVATIONS and not step.kwargs:
        return _activation(step)
    if any(isinstance(leaf, Weight) for leaf in leaves(step.kwargs)):
        return None
    if name in _CONVOLUTIONS:
        return _convolution(_CONVOLUTIONS[name], weight, *step.args[1:])
    if name == "linear":
        return _linear(weight, *step.args[1:])
    if name == "batch_norm" and axes in _NORMALISATIONS:
        return _batch_norm(_NORMALISATIONS[axes], step, weight)
    return None


def _activation(step: Step) -> nn.Module | None:
    kind, names = _ACTIVATIONS[step.name]
    settings = step.args[1:]
    if len(settings) > len(names) or not all(isinstance(value, (int, float)) for value in settings):
        return None
    in_place = str(step.function.__name__).split(".")[0].endswith("_")
    return kind(**dict(zip(names, settings, strict=False)), inplace=in_place)


def _convolution(
    kind: type[nn.Module],
    weight: Lookup,
    kernel: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> nn.Module | None:
    if not isinstance(kernel, Weight) or not isinstance(bias, (Weight, type(None))):
        return None
    values = weight(kernel.name)
    outside, inside, *sizes = values.shape
    stride, padding, dilation = (_whole(number, len(sizes)) for number in (stride, padding, dilation))
    made: Any = kind
    with torch.device("meta"):
        module: nn.Module = made(
            inside * groups, outside, sizes, stride, padding, dilation, groups, bias=bias is not None
        )
    return _filled(module, {"weight": kernel, "bias": bias}, weight)


def _whole(number: Any, axes: int) -> Any:
    """One number for each axis; words, such as ``same``, stay."""
    if isinstance(number, str):
        return number
    numbers = tuple(number) if isinstance(number, (list, tuple)) else (number,)
    return numbers * axes if len(numbers) == 1 else numbers


def _linear(weight: Lookup, matrix: Any, bias: Any = None) -> nn.Module | None:
    if not isinstance(matrix, Weight) or not isinstance(bias, (Weight, type(None))):
        return None
    outside, inside = weight(matrix.name).shape
    with torch.device("meta"):
        module = nn.Linear(inside, outside, bias=bias is not None)
    return _filled(module, {"weight": matrix, "bias": bias}, weight)


def _batch_norm(kind: type[nn.Module], step: Step, weight: Lookup) -> nn.Module | None:
    # torch.batch_norm and its operator take weight and bias first, the function of torch.nn the statistics.
    statistics_first = step.function is nn.functional.batch_norm
    first, second = (1, 3) if statistics_first else (3, 1)
    names = dict(zip(("running_mean", "running_var"), step.args[first : first + 2], strict=False))
    names |= dict(zip(("weight", "bias"), step.args[second : second + 2], strict=False))
    if len(names) != 4 or len(step.args) < 8 or not all(isinstance(name, Weight) for name in names.values()):
        return None
    made: Any = kind
    with torch.device("meta"):
        module: nn.Module = made(len(weight(names["weight"].name)), eps=step.args[7], momentum=step.args[6])
    module.num_batches_tracked = torch.tensor(0)
    return _filled(module, names, weight)


def _filled(module: nn.Module, names: dict[str, Any], weight: Lookup) -> nn.Module | None:
    """The module with the file's tensors in the places of its own; None where one is no parameter."""
    for local, name in names.items():
        if name is None:
            continue
        tensor = weight(name.name)
        if local in module._parameters and not isinstance(tensor, nn.Parameter):
            return None
        setattr(module, local, tensor if local in module._parameters else tensor.data)
    return module
