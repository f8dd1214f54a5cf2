"""Running a network for its answer: cancellable, within memory, with odd outputs set straight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models.channels import channels_advice, has_channels
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.memory import is_out_of_memory
from saliency_viewer.runtime.polling import polled

if TYPE_CHECKING:
    from torch import Tensor, nn

_MAIN_OUTPUTS = ("logits", "out", "output", "main")
# What torch and a network's own code raise for an input that does not suit.
_UNSUITED = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
_PROBE = {"2d": (224, 224), "2.5d": (224, 224), "3d": (64, 64, 64)}  # for networks that take any size


def make_ready(network: nn.Module, spec: InputSpec, device: str) -> nn.Module:
    """Evaluation mode, float32, on ``device``; takes (N, C, *spatial) and gives one tensor (N, outputs).

    Channels-last networks get their axes, and of tuples and dictionaries the main output is taken, by hooks
    on the outermost module, so that the names of all layers stay.
    """
    # Keras networks are given (N, C, *spatial) and turn it themselves, whatever the card says of Keras' own order.
    if spec.order == "channels_last" and not getattr(network, "channels_first", False):
        network.register_forward_pre_hook(_channels_last)
    network.register_forward_hook(_main_output)
    return network.float().to(device).eval().requires_grad_(False)


def _channels_last(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].movedim(1, -1), *inputs[1:])


def _main_output(_module: Any, _inputs: Any, output: Any) -> Tensor:
    import torch

    found = output
    if isinstance(found, Mapping):
        names = [name for name in _MAIN_OUTPUTS if name in found] or list(found)[: 1 if len(found) == 1 else 0]
        found = found[names[0]] if names else None
    elif isinstance(found, (tuple, list)) and found:
        found = found[0]
    if not isinstance(found, torch.Tensor):
        raise UserError(
            f"The network answers with a {type(output).__name__} in which no class scores were recognised.",
            "Let it return one tensor (samples, classes), for instance through a python: architecture that wraps it.",
        )
    if found.ndim > 2 and found[0, 0].numel() == 1:
        found = found.flatten(1)
    if found.ndim == 1:
        found = found.unsqueeze(1)
    if found.ndim != 2:
        raise UserError(
            f"The network answers with {found.ndim - 2} spatial axes, as networks for segmentation do.",
            "Choose a classification network, whose answer is one number for each class.",
        )
    return found


def input_shape(spec: InputSpec) -> tuple[int, ...]:
    """(1, C, *spatial) of one sample, in the network's order of axes."""
    size = spec.size or _PROBE[spec.layout]
    return (1, spec.channels, *(size[::-1] if spec.axes == "xyz" else size))


def network_shape(spec: InputSpec) -> tuple[int, ...]:
    """The same where the network itself takes it: channels may be its last axis."""
    first, channels, *spatial = input_shape(spec)
    return (first, *spatial, channels) if spec.order == "channels_last" else (first, channels, *spatial)


def count_outputs(network: nn.Module, spec: InputSpec, device: str) -> int:
    """How many outputs the network has, from one run on zeros. Raises :class:`UserError` when it cannot run."""
    import torch

    shape = input_shape(spec)
    try:
        with torch.no_grad():
            rows, outputs = network(torch.zeros(shape, device=device)).shape
    except _UNSUITED as error:
        raise _cannot_take(network, spec, f"{type(error).__name__}: {error}") from error
    if rows != 1 or not outputs:
        raise UserError(
            f"The network answers one image with {rows} rows of {outputs} numbers.",
            "Let it return one tensor (samples, classes): one row for each image, one number for each class.",
        )
    return int(outputs)


def _cannot_take(network: nn.Module, spec: InputSpec, detail: str) -> UserError:
    """The error for an input of the wrong shape; the first convolution says whether it is the channels."""
    from torch.nn.modules.conv import _ConvNd

    described = f"{' x '.join(map(str, input_shape(spec)))}: sample, channels, size"
    message = f"The network cannot take the input that model.toml describes ({described})"
    first = next((one.in_channels for one in network.modules() if isinstance(one, _ConvNd)), spec.channels)
    if first == spec.channels:
        advice = "Check input.channels, input.size and input.layout, and the channels in model.arguments."
        return UserError(f"{message}.", advice, detail)
    if has_channels(spec.layout, first):
        advice = f"Write channels = {first} into the table input, or correct the channels in model.arguments."
    else:
        advice = channels_advice(spec.layout, first)
    return UserError(f"{message}: its first convolution wants {first} channels.", advice, detail)


def run_network(network: nn.Module, inputs: Tensor, context: RunContext) -> NDArray[np.float64]:
    """(samples, outputs) raw answers. Polls ``context`` at every operator.

    On out of memory the batch is halved down to single samples; then :class:`UserError` is raised, as it is for inputs
    that the network cannot take.
    """
    import torch

    try:
        with torch.no_grad(), polled(context):
            return np.asarray(network(inputs).cpu().double().numpy())
    except (MemoryError, *_UNSUITED) as error:
        if not is_out_of_memory(error):
            raise _cannot_take_image(inputs, error) from error
        if len(inputs) == 1:
            raise UserError(
                "There is not enough memory for this network.", "Close other programs, or choose the device cpu."
            ) from error
    half = (len(inputs) + 1) // 2
    return np.concatenate([run_network(network, part, context) for part in (inputs[:half], inputs[half:])])


def _cannot_take_image(inputs: Tensor, error: BaseException) -> UserError:
    """It took zeros of the card's size, but where the card has none, images come as large as they are."""
    return UserError(
        f"The network cannot take the image as it is given it ({' x '.join(map(str, inputs.shape))}: samples, "
        "channels, size).",
        "Write a size and a fit into the table input of model.toml, or choose an image of the size that the network "
        "was made for.",
        f"{type(error).__name__}: {error}",
    )
