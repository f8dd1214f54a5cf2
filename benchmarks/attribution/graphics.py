"""What only a graphics card shows: maps in a second, and the largest volume that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.attribution import peers
from benchmarks.attribution.contenders import ours
from benchmarks.attribution.subjects import Setting, Subject
from benchmarks.attribution.timing import PEER_ERRORS, Work, interleaved, quartiles, reason, say
from saliency_viewer.attribution import explain
from saliency_viewer.errors import UserError

_SIDES = (32, 64, 128, 256, 512, 1024)


def throughput(setting: Setting) -> list[dict[str, Any]]:
    """Images in a second: IG-50 of DenseNet-121, and IG-20 of MONAI's 3D DenseNet121 at 128^3."""
    flat, solid = setting.subject("DenseNet-121"), _volume(setting, 48 if setting.quick else 128)
    return [_rate(flat, 50, (1, 8, 16, 32)), _rate(solid, 20, (1, 2, 4))]


def _volume(setting: Setting, side: int) -> Subject:
    found = setting.subject("MONAI DenseNet121 3D")
    torch.manual_seed(1)
    x = torch.randn((1, 1, side, side, side)).to(setting.device)
    return Subject(found.name, found.network, x, found.weights, found.target)


def _rate(subject: Subject, steps: int, batches: tuple[int, ...]) -> dict[str, Any]:
    settings = {"steps": steps}
    works: dict[str, Work] = {}
    for batch in batches:
        works[f"ours, batch {batch}"] = ours(subject, "integrated-gradients", settings, batch_size=batch).build()
        works[f"captum, batch {batch}"] = peers.captum_path(
            subject.network, subject.inputs, subject.target, steps, batch
        )
    works["ours, default batch"] = ours(subject, "integrated-gradients", settings).build()
    works["captum, all at once"] = peers.captum_path(subject.network, subject.inputs, subject.target, steps, None)
    say(f"throughput: {subject.name}, {len(works)} contenders")
    fit: dict[str, Work] = {}
    failed: dict[str, str] = {}
    for name, work in works.items():
        try:
            work()
        except (UserError, *PEER_ERRORS) as error:
            failed[name] = reason(error)
        else:
            fit[name] = work
    times = interleaved(fit, 3, subject.inputs.device)
    rates = {name: 1 / quartiles(values)[1] for name, values in times.items()}
    shape = list(subject.inputs.shape)
    return {"network": subject.name, "shape": shape, "steps": steps, "images_per_second": rates, "failed": failed}


def largest_volume(setting: Setting) -> dict[str, Any]:
    """The largest cube, by doubling, whose gradient fits; ours, captum's and a bare pass."""
    subject = setting.subject("MONAI DenseNet121 3D")
    network, target = subject.network, subject.target

    def bare(x: Tensor) -> Any:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(subject.frozen(leaf)[:, target].sum(), leaf)

    ways: dict[str, Callable[[Tensor], Any]] = {
        "ours, gradient": lambda x: explain(network, x, "gradient", target),
        "ours, integrated gradients": lambda x: explain(
            network, x, "integrated-gradients", target, parameters={"integrated-gradients": {"steps": 2}}
        ),
        "captum, Saliency": lambda x: peers.captum_gradient(network, x, target)(),
        "bare pass, frozen": bare,
    }
    sides = _SIDES[:2] if setting.quick else _SIDES
    return {name: _largest(way, sides, setting.device) for name, way in ways.items()}


def _largest(way: Callable[[Tensor], Any], sides: tuple[int, ...], device: str) -> dict[str, Any]:
    fits = 0
    for side in sides:
        say(f"largest volume: {side}^3")
        try:
            way(torch.randn((1, 1, side, side, side), device=device))
        except (UserError, MemoryError, *PEER_ERRORS) as error:
            _empty()
            return {"largest_side": fits, "then": reason(error)}
        _empty()
        fits = side
    return {"largest_side": fits, "then": "not tried further"}


def _empty() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
