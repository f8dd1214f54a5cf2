"""Other libraries' work. Every function imports and prepares when called, and returns what is then timed."""

from __future__ import annotations

import copy
import io
import warnings
from contextlib import redirect_stderr
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.attribution.subjects import own_rectifiers
from benchmarks.attribution.timing import Work


def darkest(x: Tensor) -> Tensor:
    """The baseline that ours has by default: each channel's smallest value."""
    return x.flatten(2).amin(2).reshape(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x).clone()


# ---- captum


def captum_gradient(network: nn.Module, x: Tensor, target: int) -> Work:
    """Saliency with its sign."""
    from captum.attr import Saliency

    tool = Saliency(network)
    return lambda: tool.attribute(x.clone().requires_grad_(), target=target, abs=False)


def captum_path(network: nn.Module, x: Tensor, target: int, steps: int, batch: int | None) -> Work:
    """Integrated gradients with the same nodes as ours; ``batch`` None is captum's default, all steps at once."""
    from captum.attr import IntegratedGradients

    tool, start = IntegratedGradients(network), darkest(x)
    return lambda: tool.attribute(
        x.clone(), start, target=target, n_steps=steps, method="gausslegendre", internal_batch_size=batch
    )


def captum_smooth(network: nn.Module, x: Tensor, target: int, samples: int, batch: int | None) -> Work:
    """SmoothGrad; ``batch`` None is captum's default, all samples at once."""
    from captum.attr import NoiseTunnel, Saliency

    tool, spread = NoiseTunnel(Saliency(network)), 0.15 * float(x.max() - x.min())
    return lambda: tool.attribute(
        x.clone(), nt_samples=samples, nt_samples_batch_size=batch, stdevs=spread, target=target, abs=False
    )


def captum_guided(network: nn.Module, x: Tensor, target: int) -> Work:
    """Guided backpropagation."""
    from captum.attr import GuidedBackprop

    tool = GuidedBackprop(network)

    def run() -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
            found: Tensor = tool.attribute(x.clone().requires_grad_(), target=target)
        return found

    return run


def captum_deep_lift(network: nn.Module, x: Tensor, target: int) -> Work:
    """DeepLIFT, on a copy whose rectifiers are modules of their own (captum refuses shared and in-place ones)."""
    from captum.attr import DeepLift

    tool, start = DeepLift(own_rectifiers(network)), darkest(x)

    def run() -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning)
            found: Tensor = tool.attribute(x.clone().requires_grad_(), start, target=target)
        return found

    return run


def captum_occlusion(network: nn.Module, x: Tensor, target: int, size: int, stride: int, batch: int) -> Work:
    """Occlusion with zeros."""
    from captum.attr import Occlusion

    tool, window = Occlusion(network), (x.shape[1], *[size] * (x.ndim - 2))
    arguments = {"strides": (1, *[stride] * (x.ndim - 2)), "baselines": 0, "perturbations_per_eval": batch}

    def run() -> Tensor:
        with torch.no_grad():
            found: Tensor = tool.attribute(x, window, target=target, **arguments)
        return found

    return run


# ---- zennit


def zennit_lrp(network: nn.Module, x: Tensor, target: int) -> Work:
    """EpsilonPlus with the canonizer that zennit has for the network, from the logit."""
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    kinds = {"ResNet": ResNetCanonizer, "VGG": VGGCanonizer}
    if type(network).__name__ not in kinds:
        raise NotImplementedError("zennit has no canonizer for it")
    canonizer = kinds[type(network).__name__]

    def start(logits: Tensor) -> Tensor:
        only = torch.zeros_like(logits)
        only[:, target] = logits.detach()[:, target]
        return only

    def run() -> Tensor:
        with Gradient(network, EpsilonPlus(canonizers=[canonizer()])) as attributor:
            found: Tensor = attributor(x.clone(), start)[1]
        return found

    return run


# ---- class activation maps


def gradcam_library(
    network: nn.Module, x: Tensor, target: int, layer: str, kind: str, batch: int | None = None
) -> Work:
    """pytorch-grad-cam's class ``kind``: after its ReLU, upsampled, scaled to 0..1."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    tool, module, wish = getattr(pytorch_grad_cam, kind), network.get_submodule(layer), [ClassifierOutputTarget(target)]
    frozen = not any(parameter.requires_grad for parameter in network.parameters())

    def run() -> Tensor:
        with tool(network, [module]) as cam, redirect_stderr(io.StringIO()):  # it has a bar that cannot be turned off
            if batch is not None:
                cam.batch_size = batch
            given = x.clone().requires_grad_(frozen and cam.uses_gradients)
            return torch.as_tensor(cam(given, wish))

    return run


def torchcam_library(
    network: nn.Module, x: Tensor, target: int, layer: str, kind: str, batch: int | None = None
) -> Work:
    """The class ``kind`` of torchcam: after its ReLU, at the layer's size, scaled to 0..1."""
    from torchcam import methods

    tool, more = getattr(methods, kind), {} if batch is None else {"batch_size": batch}
    frozen = not any(parameter.requires_grad for parameter in network.parameters())

    def run() -> Tensor:
        with tool(network, layer, **more) as cam:
            scores = network(x.clone().requires_grad_(frozen))
            found: Tensor = cam(target, scores)[0]
        return found

    return run


def monai_gradcam(network: nn.Module, x: Tensor, target: int, layer: str) -> Work:
    """MONAI's Grad-CAM without its inverting normaliser, for networks of 2 and 3 dimensions."""
    from monai.visualize import GradCAM

    tool = GradCAM(copy.deepcopy(network), layer, postprocessing=lambda values: values)  # its hooks stay for good
    return lambda: torch.as_tensor(tool(x.clone().requires_grad_(), class_idx=target))


def monai_occlusion(network: nn.Module, x: Tensor, size: int, stride: int, batch: int) -> Work:
    """MONAI's OcclusionSensitivity with zeros: the logits themselves, on the windows' grid."""
    from monai.visualize import OcclusionSensitivity

    tool = OcclusionSensitivity(
        network, mask_size=size, n_batch=batch, mode=0.0, overlap=1 - stride / size, verbose=False, activate=False
    )

    def run() -> Any:
        with torch.no_grad():
            return tool(x)[0]

    return run


# ---- PAIR saliency


def _pair(network: nn.Module, x: Tensor, target: int) -> tuple[np.ndarray[Any, Any], Any]:
    from saliency.core.base import INPUT_OUTPUT_GRADIENTS

    def call(batch: Any, **_given: Any) -> dict[str, Any]:
        given = torch.as_tensor(np.moveaxis(np.asarray(batch), -1, 1), dtype=x.dtype, device=x.device).requires_grad_()
        found = torch.autograd.grad(network(given)[:, target].sum(), given)[0]
        return {INPUT_OUTPUT_GRADIENTS: np.moveaxis(found.cpu().numpy(), 1, -1)}

    return np.moveaxis(x[0].cpu().numpy(), 0, -1), call


_quantile = np.quantile


def _old_quantile(values: Any, q: Any, interpolation: str = "linear", **more: Any) -> Any:
    """NumPy's quantile with the argument that Guided IG still uses and NumPy has dropped."""
    return _quantile(values, q, **{"method": interpolation, **more})


def pair(network: nn.Module, x: Tensor, target: int, kind: str, start: Tensor | None = None, **arguments: Any) -> Work:
    """PAIR's class ``kind``: its mask with channels first. ``start`` is the baseline of those that take one."""
    import saliency.core

    tool, (image, call) = getattr(saliency.core, kind)(), _pair(network, x, target)
    if start is not None:
        arguments["x_baseline"] = np.moveaxis(start[0].cpu().numpy(), 0, -1)

    def run() -> Tensor:
        with mock.patch.object(np, "quantile", _old_quantile):
            found = torch.as_tensor(np.ascontiguousarray(tool.GetMask(image, call, **arguments)))
        return found.movedim(-1, 0) if found.ndim == x.ndim - 1 else found

    return run


def pair_smooth(network: nn.Module, x: Tensor, target: int, samples: int) -> Work:
    """PAIR's SmoothGrad of plain gradients."""
    import saliency.core

    tool, (image, call) = saliency.core.GradientSaliency(), _pair(network, x, target)

    def run() -> Tensor:
        np.random.seed(0)  # noqa: NPY002 - the generator that it draws from
        mask = tool.GetSmoothedMask(image, call, stdev_spread=0.15, nsamples=samples, magnitude=False)
        return torch.as_tensor(mask).movedim(-1, 0)

    return run


# ---- loops that anyone would write


def occlusion_loop(network: nn.Module, x: Tensor, target: int, size: int, stride: int, batch: int) -> Work:
    """Windows of zeros in batches, in two dimensions: the score's fall, averaged where windows overlap."""
    rows, columns = ([*range(0, side - size, stride), side - size] for side in x.shape[2:])
    places = [(row, column) for row in rows for column in columns]

    def run() -> Tensor:
        total, count = torch.zeros_like(x[0, 0]), torch.zeros_like(x[0, 0])
        with torch.no_grad():
            whole = network(x)[0, target]
            for begin in range(0, len(places), batch):
                chosen = places[begin : begin + batch]
                masked = x.repeat(len(chosen), 1, 1, 1)
                for k, (row, column) in enumerate(chosen):
                    masked[k, :, row : row + size, column : column + size] = 0
                falls = whole - network(masked)[:, target]
                for fall, (row, column) in zip(falls, chosen, strict=True):
                    total[row : row + size, column : column + size] += fall
                    count[row : row + size, column : column + size] += 1
        return total / count

    return run


def window_count(x: Tensor, size: int, stride: int) -> int:
    """Windows of :func:`occlusion_loop`."""
    return int(np.prod([len([*range(0, side - size, stride), side - size]) for side in x.shape[2:]]))
