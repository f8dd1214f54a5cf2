"""Which work is timed, against whom, and what is promised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.attribution import peers
from benchmarks.attribution.contenders import forward, forward_backward, limit, ours, together, variants
from benchmarks.attribution.peers import darkest
from benchmarks.attribution.subjects import PEER_LAYERS, Setting, Subject
from benchmarks.attribution.timing import Contender, Row, Target, Work
from saliency_viewer.attribution import METHODS

AT_POINT = (
    "gradient",
    "input-x-gradient",
    "grad-cam",
    "grad-cam-plus-plus",
    "hires-cam",
    "respond-cam",
    "layer-cam",
    "saliency-tubes",
)
# Method: the class of pytorch-grad-cam, the class of torchcam.
ONE_PASS_CAMS: dict[str, tuple[str | None, str | None]] = {
    "grad-cam": ("GradCAM", "GradCAM"),
    "grad-cam-plus-plus": ("GradCAMPlusPlus", "GradCAMpp"),
    "hires-cam": ("HiResCAM", None),
    "respond-cam": (None, None),
    "layer-cam": ("LayerCAM", "LayerCAM"),
    "xgrad-cam": ("XGradCAM", "XGradCAM"),
    "saliency-tubes": (None, None),
}
_SWAMPED = "pytorch-grad-cam adds 1e-6 to a smaller number"
_MIXED = "torchcam sums A G^3 over space where the paper sums A and multiplies with G^3"
_FUNCTIONAL = "captum misses the functional ReLU of DenseNet-121"
ALL_AT_ONCE = "captum, all at once"
CHUNKED = "captum, chunks of 4"


@dataclass(frozen=True)
class Entry:
    """A row by name; it is built when its turn comes."""

    id: str
    build: Callable[[Setting], Row]
    full_only: bool = False


def _row(setting: Setting, subject: Subject, key: str, work: str, contenders: Sequence[Contender], **more: Any) -> Row:
    sides = "x".join(map(str, subject.inputs.shape))
    title = f"{work}, {subject.name}, {sides}"
    if setting.quick:
        more["rounds"] = 2
    return Row(key, title, subject.weights, contenders, device=setting.device, **more)


def _pair_peer(subject: Subject, name: str, make: Callable[[nn.Module, Tensor], Work], **more: Any) -> list[Contender]:
    return variants(subject, f"PAIR {name}", make, tuned=False, **more)


# ---- streams of gradients


def path(name: str, setting: Setting) -> Row:
    """Integrated gradients, 50 nodes."""
    subject, steps = setting.subject(name), 10 if setting.quick else 50
    target = subject.target
    found = [
        ours(subject, "integrated-gradients", {"steps": steps}),
        limit(subject, steps, gradient=True),
        *variants(subject, ALL_AT_ONCE, lambda n, x: peers.captum_path(n, x, target, steps, None), compare="signed"),
        *variants(subject, CHUNKED, lambda n, x: peers.captum_path(n, x, target, steps, 4), compare="signed"),
        *_pair_peer(
            subject,
            "IntegratedGradients",
            lambda n, x: peers.pair(n, x, target, "IntegratedGradients", darkest(x), x_steps=steps),
            compare="signed",
            why="PAIR counts both ends with full weight: another quadrature",
        ),
    ]
    return _row(setting, subject, f"ig:{name}", f"IG-{steps}", found, targets=_stream_targets(), memory=_STREAM_MEMORY)


def smooth(name: str, setting: Setting) -> Row:
    """SmoothGrad, 25 samples."""
    subject, samples = setting.subject(name), 6 if setting.quick else 25
    target = subject.target
    chance: dict[str, Any] = {"compare": "signed", "only_rank": True}
    found = [
        ours(subject, "smooth-grad", {"samples": samples, "sigma": 0.15}),
        limit(subject, samples, gradient=True),
        *variants(subject, ALL_AT_ONCE, lambda n, x: peers.captum_smooth(n, x, target, samples, None), **chance),
        *variants(subject, CHUNKED, lambda n, x: peers.captum_smooth(n, x, target, samples, 4), **chance),
        *_pair_peer(subject, "SmoothGrad", lambda n, x: peers.pair_smooth(n, x, target, samples), **chance),
    ]
    title = f"SmoothGrad-{samples}"
    return _row(setting, subject, f"smooth-grad:{name}", title, found, targets=_stream_targets(), memory=_STREAM_MEMORY)


_STREAM_MEMORY = ("ours", ALL_AT_ONCE, CHUNKED)


def _stream_targets() -> tuple[Target, ...]:
    return (
        Target("ours", "limit", 1.05, True),
        Target(ALL_AT_ONCE, "ours", 1.9, False),
        Target(ALL_AT_ONCE, "ours", 8, False, "memory"),
        Target(CHUNKED, "ours", 1.05, False),
    )


def path_variant(method: str, kind: str, setting: Setting) -> Row:
    """Guided IG, Blur IG and XRAI beside PAIR's, for information."""
    subject = setting.subject("chest" if setting.quick else "ResNet-18")
    start = None if kind in ("BlurIG", "XRAI") else darkest(subject.inputs)
    found = [
        ours(subject, method),
        forward_backward(subject),
        *_pair_peer(
            subject, kind, lambda n, x: peers.pair(n, x, subject.target, kind, start), compare="signed", only_rank=True
        ),
    ]
    return _row(setting, subject, method, f"{method} (each with its defaults)", found, rounds=3)


def volume_gradient(setting: Setting) -> Row:
    """The gradient of a 3D network."""
    subject = setting.subject("MONAI DenseNet121 3D")
    found = [
        ours(subject, "gradient"),
        forward_backward(subject),
        *variants(subject, "captum", lambda n, x: peers.captum_gradient(n, x, subject.target), compare="signed"),
    ]
    targets = (Target("captum", "ours", 1.25, False), Target("captum", "ours", 1e-5, True, "difference"))
    memory = ("ours", "captum")
    return _row(setting, subject, "gradient-3d", "gradient", found, targets=targets, memory=memory)


# ---- one backward pass


def all_at_point(name: str, setting: Setting) -> Row:
    """Eight methods for the price of one pass."""
    subject, known = setting.subject(name), {found.id for found in METHODS}
    present = tuple(method for method in AT_POINT if method in known)
    missing = [method for method in AT_POINT if method not in known]
    notes = [f"without {', '.join(missing)}: no such method yet"] if missing else []
    found = [together(subject, present), forward_backward(subject), forward(subject)]
    targets = (Target("ours", "one forward + backward", 1.10, True),)
    title = f"{len(present)} methods together"
    return _row(setting, subject, f"together:{name}", title, found, targets=targets, rounds=15, notes=notes)


def cam(method: str, name: str, setting: Setting) -> Row:
    """One class activation map alone."""
    subject, (library, torchcam) = setting.subject(name), ONE_PASS_CAMS[method]
    layer, target = PEER_LAYERS[name], subject.target
    # DenseNet's default layer is a function's output; where peers take part, all read the same module.
    functional = name.startswith("DenseNet")
    chosen = {"layer": layer} if functional and (library or torchcam) else {}
    found = [ours(subject, method, **chosen), forward(subject)]
    targets = [Target("ours", "one forward", 1.05, True)]
    if chosen:
        found.append(ours(subject, method, name="ours, default layer"))
    if library:
        wrong = _SWAMPED if library == "GradCAMPlusPlus" else ""
        found += variants(
            subject,
            "pytorch-grad-cam",
            lambda n, x: peers.gradcam_library(n, x, target, layer, library),
            compare="upsampled-relu",
            scaled=True,
            why=wrong,
        )
        targets.append(Target("pytorch-grad-cam", "ours", 3, False))
    if torchcam:
        found += variants(
            subject,
            "torchcam",
            lambda n, x: peers.torchcam_library(n, x, target, layer, torchcam),
            compare="layer-relu",
            scaled=True,
            why=_MIXED if torchcam == "GradCAMpp" else "",
        )
        targets.append(Target("torchcam", "ours", 1.15, False))
    if method == "grad-cam":
        found += variants(
            subject,
            "MONAI",
            lambda n, x: peers.monai_gradcam(n, x, target, layer),
            tuned=False,
            compare="upsampled-relu",
        )
    return _row(setting, subject, f"cam:{method}:{name}", method, found, targets=targets, rounds=11)


def volume_cam(setting: Setting) -> Row:
    """Grad-CAM of a 3D network beside MONAI's and pytorch-grad-cam's."""
    subject = setting.subject("MONAI DenseNet121 3D")
    layer, target = PEER_LAYERS[subject.name], subject.target
    found = [
        ours(subject, "grad-cam"),
        forward(subject),
        *variants(
            subject,
            "MONAI",
            lambda n, x: peers.monai_gradcam(n, x, target, layer),
            tuned=False,
            compare="upsampled-relu",
        ),
        *variants(
            subject,
            "pytorch-grad-cam",
            lambda n, x: peers.gradcam_library(n, x, target, layer, "GradCAM"),
            tuned=False,
            compare="upsampled-relu",
            scaled=True,
        ),
    ]
    return _row(setting, subject, "grad-cam-3d", "grad-cam", found, targets=[Target("ours", "one forward", 1.05, True)])


# ---- rules


def ruled(method: str, name: str, setting: Setting) -> Row:
    """Guided backpropagation, LRP and DeepLIFT."""
    subject = setting.subject(name)
    target, bound = subject.target, {"guided-backprop": 1.15, "lrp-epsilon-plus": 1.8, "deep-lift": 2.3}[method]
    label, make = {
        "guided-backprop": ("captum", peers.captum_guided),
        "lrp-epsilon-plus": ("zennit", peers.zennit_lrp),
        "deep-lift": ("captum", peers.captum_deep_lift),
    }[method]
    why = _FUNCTIONAL if name == "DenseNet-121" and label == "captum" else ""
    if method == "lrp-epsilon-plus" and name.startswith("ResNet"):
        why = "zennit leaves a factor 1 / sqrt(1 + eps) behind each merged batch norm"
    found = [
        ours(subject, method),
        forward_backward(subject),
        *variants(subject, label, lambda n, x: make(n, x, target), compare="signed", why=why),
    ]
    targets = [Target("ours", "one forward + backward", bound, True)]
    return _row(setting, subject, f"{method}:{name}", method, found, targets=targets, rounds=9)


# ---- many forward passes


def _channels(subject: Subject, layer: str) -> int:
    seen: list[int] = []
    handle = subject.frozen.get_submodule(layer).register_forward_hook(lambda _m, _i, out: seen.append(out.shape[1]))
    with torch.no_grad():
        subject.frozen(subject.inputs)
    handle.remove()
    return seen[0]


def score_cam(name: str, setting: Setting) -> Row:
    """Score-CAM: one forward pass for each channel."""
    subject = setting.subject(name)
    layer, target = PEER_LAYERS[name], subject.target
    chosen = {"layer": layer} if name.startswith("DenseNet") else {}
    found = [
        ours(subject, "score-cam", **chosen),
        limit(subject, lambda: _channels(subject, layer), gradient=False),
        *variants(
            subject,
            "pytorch-grad-cam",
            lambda n, x: peers.gradcam_library(n, x, target, layer, "ScoreCAM", 16),
            compare="upsampled-relu",
            scaled=True,
            why="pytorch-grad-cam upsamples with aligned corners",
        ),
        *variants(
            subject,
            "torchcam",
            lambda n, x: peers.torchcam_library(n, x, target, layer, "ScoreCAM", 32),
            compare="layer-relu",
            scaled=True,
        ),
    ]
    targets = [Target("ours", "limit", 1.05, True)]
    return _row(setting, subject, f"score-cam:{name}", "Score-CAM", found, targets=targets, rounds=3)


def clustered(name: str, setting: Setting) -> Row:
    """Score-CAM with a twelfth as many clusters as channels, beside the full one, on trained networks."""
    subject = setting.subject(name)
    clusters = max(1, _channels(subject, PEER_LAYERS[name]) // 12)
    found = [
        ours(subject, "score-cam"),
        ours(subject, "score-cam", {"clusters": clusters}, name="clustered", compare="values"),
    ]
    targets = [Target("ours", "clustered", 8, False), Target("clustered", "ours", 0.99, False, "rank")]
    work = f"Score-CAM, {clusters} clusters"
    return _row(setting, subject, f"score-cam-clustered:{name}", work, found, targets=targets, rounds=3)


def occlusion(name: str, setting: Setting) -> Row:
    """Occlusion 15 x 15, stride 8."""
    subject, size, stride = setting.subject(name), 15, 8
    target = subject.target
    found = [
        ours(subject, "occlusion", {"size": size, "stride": stride}, baseline="zero"),
        limit(subject, peers.window_count(subject.inputs, size, stride), gradient=False),
        *variants(
            subject,
            "captum",
            lambda n, x: peers.captum_occlusion(n, x, target, size, stride, 8),
            compare="signed",
            why="captum cuts the last windows off at the border, ours move inside",
        ),
        *variants(
            subject, "plain loop", lambda n, x: peers.occlusion_loop(n, x, target, size, stride, 8), compare="signed"
        ),
        *variants(subject, "MONAI", lambda n, x: peers.monai_occlusion(n, x, size, stride, 8), tuned=False),
    ]
    targets = [Target("captum", "ours", 1.8, False), Target("plain loop", "ours", 1.8, False)]
    return _row(setting, subject, f"occlusion:{name}", "occlusion 15 / 8", found, targets=targets, rounds=3)


def alone(method: str, library: str | None, setting: Setting) -> Row:
    """Methods with no promise and at most one peer, for information."""
    name = "chest" if setting.quick else "ResNet-18"
    subject, layer = setting.subject(name), PEER_LAYERS[name]
    found = [ours(subject, method), forward(subject)]
    if library:
        found += variants(
            subject,
            "pytorch-grad-cam",
            lambda n, x: peers.gradcam_library(n, x, subject.target, layer, library),
            tuned=False,
            compare="upsampled-relu",
            scaled=True,
        )
    return _row(setting, subject, method, method, found, rounds=3)


def entries() -> list[Entry]:
    """All rows; those of one network stand together, so that it is built once."""
    found = []
    for name in ("DenseNet-121", "ResNet-50", "VGG-16"):
        dense = name == "DenseNet-121"
        if dense:
            found += [Entry(f"ig:{name}", partial(path, name)), Entry(f"smooth-grad:{name}", partial(smooth, name))]
        if name != "VGG-16":
            found.append(Entry(f"together:{name}", partial(all_at_point, name)))
            found += [Entry(f"cam:{key}:{name}", partial(cam, key, name), dense) for key in ONE_PASS_CAMS]
        for rule in ("guided-backprop", "lrp-epsilon-plus", "deep-lift"):
            found.append(Entry(f"{rule}:{name}", partial(ruled, rule, name), name != "ResNet-50"))
    found.append(Entry("gradient-3d", volume_gradient))
    found.append(Entry("grad-cam-3d", volume_cam))
    for name in ("chest", "ResNet-18", "DenseNet-121"):
        if name == "chest":  # trained, so that agreement says more than on noise
            found += [Entry(f"ig:{name}", partial(path, name)), Entry(f"smooth-grad:{name}", partial(smooth, name))]
        found.append(Entry(f"score-cam:{name}", partial(score_cam, name), name != "chest"))
        found.append(Entry(f"occlusion:{name}", partial(occlusion, name), name != "chest"))
    for name in ("chest", "trained ResNet-18"):
        found.append(Entry(f"score-cam-clustered:{name}", partial(clustered, name), name != "chest"))
    for key, kind in (("guided-ig", "GuidedIG"), ("blur-ig", "BlurIG"), ("xrai", "XRAI")):
        found.append(Entry(key, partial(path_variant, key, kind)))
    for key, library in (("rise", None), ("ablation-cam", "AblationCAM"), ("eigen-cam", "EigenCAM")):
        found.append(Entry(key, partial(alone, key, library)))
    return found
