"""Every method on unmodified networks, against the libraries that people use today.

    python benchmarks/agreement.py [--network NAME ...] [--markdown FILE]

Networks have random weights with calibrated batch statistics (a few random batches in training mode), so that
activations are neither dead nor huge. Each row of the table is a method on a network: the badge with its number, the
peer, and the largest difference relative to the map's largest value, or the reason why the peer is wrong or absent.
Below it: the seconds of one forward and backward pass, of one pass shared by six methods, and of CAMs alone.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution import METHODS, Result, explain

TARGET = 1
AT_POINT = ("gradient", "input-x-gradient", "grad-cam", "grad-cam-plus-plus", "hires-cam", "respond-cam")
_NO_MODULE = "no module gives this layer (functional ReLU)"
PATCH = 32  # edge and distance of occlusion's patches
STEPS, SAMPLES = 4, 4
# Agreement and badges need few passes, and large networks take their time.
FEW: dict[str, dict[str, Any]] = {
    **{key: {"steps": STEPS} for key in ("integrated-gradients", "blur-ig", "xrai")},
    **{key: {"samples": SAMPLES} for key in ("smooth-grad", "smooth-grad-squared", "var-grad", "gradient-shap")},
    **{key: {"samples": SAMPLES, "steps": STEPS} for key in ("smooth-integrated-gradients", "noise-tunnel-ig")},
    "guided-ig": {"steps": 20},
    "rise": {"samples": 20},
    "score-cam": {"clusters": 8},
    "occlusion": {"size": PATCH, "stride": PATCH},
}


@dataclass(frozen=True)
class Case:
    """A network, its input's shape, and the name of the layer that peers must be given."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    layer: Callable[[nn.Module], nn.Module] | None


def _torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision import models

        # Inception's own initialisation takes a minute and is of no use here.
        extra = {"init_weights": False} if name == "inception_v3" else {}
        network: nn.Module = getattr(models, name)(weights=None, num_classes=10, **extra)
        return network

    return build


def _densenet_3d() -> nn.Module:
    from monai.networks.nets import DenseNet121

    network: nn.Module = DenseNet121(spatial_dims=3, in_channels=1, out_channels=3)
    return network


CASES: dict[str, Case] = {
    "ResNet-50": Case(_torchvision("resnet50"), (1, 3, 224, 224), lambda n: n.layer4),
    "VGG-16": Case(_torchvision("vgg16"), (1, 3, 224, 224), lambda n: n.avgpool),
    "VGG-16-BN": Case(_torchvision("vgg16_bn"), (1, 3, 224, 224), lambda n: n.avgpool),
    # The last rectifier is a function: no module gives this layer, so no peer can be told to read it.
    "DenseNet-121": Case(_torchvision("densenet121"), (1, 3, 224, 224), None),
    "EfficientNet-B0": Case(_torchvision("efficientnet_b0"), (1, 3, 224, 224), lambda n: n.features),
    "MobileNetV2": Case(_torchvision("mobilenet_v2"), (1, 3, 224, 224), lambda n: n.features),
    "Inception-v3": Case(_torchvision("inception_v3"), (1, 3, 299, 299), lambda n: n.Mixed_7c),
    "MONAI DenseNet121 3D": Case(_densenet_3d, (1, 1, 64, 64, 64), lambda n: n.class_layers.relu),
}


def calibrated(case: Case, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode with batch statistics of smooth random images, and one such image."""
    torch.manual_seed(seed)
    network = case.build()
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm3d))]
    for norm in norms:
        norm.momentum = None  # a plain mean over the batches
    network.train()
    with torch.no_grad():
        for _ in range(3 if norms else 0):
            network(smooth_noise((4, *case.shape[1:])))
    return network.eval(), smooth_noise(case.shape)


def smooth_noise(shape: tuple[int, ...]) -> Tensor:
    """Random images with structure at several scales, like pictures and unlike white noise."""
    mode = {4: "bilinear", 5: "trilinear"}[len(shape)]
    image = 0.1 * torch.randn(shape)
    for scale in (8, 32):
        coarse = torch.randn(*shape[:2], *[max(2, size // scale) for size in shape[2:]])
        image = image + nn.functional.interpolate(coarse, size=shape[2:], mode=mode, align_corners=False)
    return image


# ---- peers: each gives a map like Result.signed or Result.layer_values, or raises


def _captum_gradient(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import Saliency

    found: Tensor = Saliency(network).attribute(x.clone().requires_grad_(), target=TARGET, abs=False)
    return found


def _captum_product(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import InputXGradient

    found: Tensor = InputXGradient(network).attribute(x.clone().requires_grad_(), target=TARGET)
    return found


def _captum_path(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import IntegratedGradients

    found: Tensor = IntegratedGradients(network).attribute(
        x.clone(), _minimum(x), target=TARGET, n_steps=STEPS, method="gausslegendre", internal_batch_size=1
    )
    return found


def _captum_occlusion(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import Occlusion

    channels, axes = x.shape[1], x.ndim - 2
    found: Tensor = Occlusion(network).attribute(
        x.clone(), (channels, *[PATCH] * axes), (channels, *[PATCH] * axes), _minimum(x), target=TARGET
    )
    return found / channels  # captum gives the whole change to every channel


def _minimum(x: Tensor) -> Tensor:
    """The engine's default baseline."""
    return x.flatten(2).amin(2).reshape(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x)


def _captum_guided(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import GuidedBackprop

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
        found: Tensor = GuidedBackprop(network).attribute(x.clone().requires_grad_(), target=TARGET)
    return found


def _captum_layer_grad_cam(network: nn.Module, x: Tensor, layer: Any) -> Tensor:
    from captum.attr import LayerGradCam

    if layer is None:
        raise NotImplementedError(_NO_MODULE)
    found: Tensor = LayerGradCam(network, layer).attribute(x.clone(), target=TARGET)
    return found


def _captum_deep_lift(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
    from captum.attr import DeepLift

    from benchmarks.attribution.subjects import own_rectifiers

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        found: Tensor = DeepLift(own_rectifiers(network)).attribute(x.clone(), _minimum(x), target=TARGET)
    return found.detach()


def _zennit(composite: str, from_score: bool = True) -> Callable[[nn.Module, Tensor, Any], Tensor]:
    """A composite of Zennit's by name, started from the logit or from one."""

    def run(network: nn.Module, x: Tensor, _layer: Any) -> Tensor:
        from zennit import composites
        from zennit.attribution import Gradient
        from zennit.torchvision import ResNetCanonizer, VGGCanonizer

        kinds = {"ResNet": ResNetCanonizer, "VGG": VGGCanonizer}
        if type(network).__name__ not in kinds:
            raise NotImplementedError("zennit has no canonizer for it")

        def start(logits: Tensor) -> Tensor:
            chosen = torch.nn.functional.one_hot(torch.tensor([TARGET]), logits.shape[1]).to(logits)
            return chosen * logits.detach() if from_score else chosen

        bounds = {}
        if composite == "EpsilonGammaBox":
            bounds = {end: getattr(x, reduce)((2, 3), True) for end, reduce in (("low", "amin"), ("high", "amax"))}
        made = getattr(composites, composite)(canonizers=[kinds[type(network).__name__]()], **bounds)
        with Gradient(network, made) as attributor:
            found: Tensor = attributor(x.clone(), start)[1]
        return found

    return run


def _cam_formula(kind: str) -> Callable[[nn.Module, Tensor, Any], Tensor]:
    """pytorch-grad-cam's weights applied without its ReLU and its scaling to 0..1 (its map keeps neither)."""

    def run(network: nn.Module, x: Tensor, layer: Any) -> Tensor:
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        if layer is None:
            raise NotImplementedError(_NO_MODULE)

        class Raw(getattr(pytorch_grad_cam, kind)):  # type: ignore[misc]
            def compute_cam_per_layer(self, tensor: Any, targets: Any, eigen_smooth: bool) -> Any:
                activations = self.activations_and_grads.activations[0].cpu().data.numpy()
                kept = self.activations_and_grads.gradients  # none where the method needs none
                gradients = kept[0].cpu().data.numpy() if kept else None
                self.raw = self.get_cam_image(tensor, layer, targets, activations, gradients, eigen_smooth)
                return super().compute_cam_per_layer(tensor, targets, eigen_smooth)

        with Raw(network, [layer]) as cam:
            cam(x.clone(), [ClassifierOutputTarget(TARGET)])
            return torch.as_tensor(cam.raw)

    return run


PEERS: dict[str, tuple[str, Callable[[nn.Module, Tensor, Any], Tensor]]] = {
    "gradient": ("captum", _captum_gradient),
    "input-x-gradient": ("captum", _captum_product),
    "integrated-gradients": ("captum", _captum_path),
    "guided-backprop": ("captum", _captum_guided),
    "occlusion": ("captum", _captum_occlusion),
    "grad-cam": ("grad-cam", _cam_formula("GradCAM")),
    "grad-cam-plus-plus": ("grad-cam", _cam_formula("GradCAMPlusPlus")),
    "hires-cam": ("grad-cam", _cam_formula("HiResCAM")),
    "layer-cam": ("grad-cam", _cam_formula("LayerCAM")),
    "xgrad-cam": ("grad-cam", _cam_formula("XGradCAM")),
    "eigen-cam": ("grad-cam", _cam_formula("EigenCAM")),
    "layer-grad-cam": ("captum", _captum_layer_grad_cam),
    "deep-lift": ("captum", _captum_deep_lift),
    "deconvnet": ("zennit", _zennit("DeconvNet", from_score=False)),
    "excitation-backprop": ("zennit", _zennit("ExcitationBackprop", from_score=False)),
    "lrp-epsilon-plus": ("zennit", _zennit("EpsilonPlus")),
    "lrp-epsilon-plus-flat": ("zennit", _zennit("EpsilonPlusFlat")),
    "lrp-epsilon-alpha2-beta1": ("zennit", _zennit("EpsilonAlpha2Beta1")),
    "lrp-epsilon-alpha2-beta1-flat": ("zennit", _zennit("EpsilonAlpha2Beta1Flat")),
    "lrp-epsilon-gamma-box": ("zennit", _zennit("EpsilonGammaBox")),
}
# Differences that are the peer's, with what it does.
_EPSILON = "(grad-cam adds 1e-6 to a smaller number)"
KNOWN = {
    **{("grad-cam-plus-plus", name): _EPSILON for name in CASES if name != "DenseNet-121"},
    ("occlusion", "Inception-v3"): "captum cuts the last patches, ours move inside",
    ("guided-backprop", "DenseNet-121"): "captum misses the functional ReLU",
    ("guided-backprop", "Inception-v3"): "captum misses the functional ReLUs: plain gradient",
    ("guided-backprop", "EfficientNet-B0"): "captum gives the plain gradient, unmarked (SiLU)",
    ("guided-backprop", "MobileNetV2"): "captum knows no ReLU6: plain gradient, unmarked",
}


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference relative to our largest value."""
    theirs = theirs.detach().reshape(ours.shape)
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-30))


def compare(name: str, case: Case) -> list[tuple[str, ...]]:
    """The table's rows of one network."""
    network, x = calibrated(case)
    results = explain(network, x, [m.id for m in METHODS], TARGET, parameters=FEW, skip_undefined=True, batch_size=1)
    rows = []
    for found in METHODS:
        if found.id in results.undefined:
            badge = f"not defined: {results.undefined[found.id].message}"
            rows.append((name, found.id, badge, *_peer(name, case, found.id, None, network, x)))
        else:
            result = results[found.id]
            badge = (
                f"{result.validity.badge} ({result.validity.text})" if result.validity.text else result.validity.badge
            )
            rows.append((name, found.id, badge, *_peer(name, case, found.id, result, network, x)))
    return rows


def _peer(name: str, case: Case, method: str, result: Result | None, network: nn.Module, x: Tensor) -> tuple[str, str]:
    if method not in PEERS:
        return "", ""
    library, run = PEERS[method]
    note = KNOWN.get((method, name), "")
    if result is None:
        return library, note
    if library == "zennit" or method == "integrated-gradients":
        # Sums that cancel magnify the rounding of float32 in both, and so do rectifiers near zero: on these random
        # networks both are 1e-3 to 1e-2 away from the exact value. In double precision the method itself shows. Zennit
        # leaves a factor 1 / sqrt(1 + eps) behind each merged batch norm, 4e-3 on ResNet-50: eps moves to the variance.
        network, x = copy.deepcopy(network).double(), x.double()
        for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.running_var.add_(norm.eps)
            norm.eps = 0.0
        result = explain(network, x, method, TARGET, parameters={k: v for k, v in FEW.items() if k == method})[method]
    try:
        theirs = run(network, x, case.layer(network) if case.layer else None)
    except NotImplementedError as error:
        return library, str(error)
    except (RuntimeError, ValueError, AssertionError) as error:
        return library, f"{type(error).__name__}: {str(error).splitlines()[0][:70]}"
    ours = result.layer_values if result.layer_values is not None else result.signed
    found = difference(ours, theirs)
    if method == "eigen-cam":  # the library leaves the sign of the singular vector to chance
        found = min(found, difference(ours, -theirs))
    if method == "deep-lift":  # ours sums to f(x) - f(x0), which the residual in the badge says
        lost = float((theirs.sum() - ours.sum()).abs() / ours.sum().abs())
        note = f"(captum's own sum misses f(x) - f(x0) by {lost:.0%})"
    measured = f"{found:.1e}"
    return library, f"{measured} {note}".strip()


def timings(name: str, case: Case, rounds: int = 5) -> str:
    """Interleaved medians: one forward and backward pass, the shared pass, CAMs alone, one forward pass."""
    network, x = calibrated(case)

    def plain() -> None:
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(network(leaf)[:, TARGET].sum(), leaf)

    def forward() -> None:
        with torch.no_grad():
            network(x)

    network.requires_grad_(False)
    work: dict[str, Callable[[], Any]] = {
        "forward": forward,
        "forward + backward": plain,
        "six methods together": lambda: explain(network, x, AT_POINT, TARGET),
        "four CAMs": lambda: explain(network, x, AT_POINT[2:], TARGET),
    }
    seconds: dict[str, list[float]] = {key: [] for key in work}
    for _ in range(rounds + 1):
        for key, run in work.items():
            start = time.perf_counter()
            run()
            seconds[key].append(time.perf_counter() - start)
    middle = {key: sorted(values[1:])[rounds // 2] for key, values in seconds.items()}
    shared = middle["six methods together"] / middle["forward + backward"]
    cams = middle["four CAMs"] / middle["forward"]
    parts = ", ".join(f"{key} {1000 * value:.0f} ms" for key, value in middle.items())
    return f"{name}: {parts}; together / (forward + backward) {shared:.2f}, CAMs / forward {cams:.2f}"


def main() -> None:
    """Print the table and the timings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--markdown", type=Path, help="also write the table here")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = ["| network | method | badge | peer | largest relative difference |", "|---|---|---|---|---|"]
    print("\n".join(lines))
    for name in options.network:
        for row in compare(name, CASES[name]):
            lines.append("| " + " | ".join(row) + " |")
            print(lines[-1], flush=True)
    timed = [timings(name, CASES[name]) for name in options.network]
    print("", *timed, sep="\n")
    if options.markdown:
        options.markdown.write_text("\n".join([*lines, "", *[f"* {line}" for line in timed]]) + "\n")


if __name__ == "__main__":
    main()
