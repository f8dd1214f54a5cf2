"""How many quadrature nodes integrated gradients needs: the completeness error on trained networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.attribution import peers
from benchmarks.attribution.subjects import Setting
from benchmarks.attribution.timing import PEER_ERRORS, reason, say
from benchmarks.attribution.trained import TRAINED, Absent, Trained
from saliency_viewer.attribution import explain
from saliency_viewer.attribution.baselines import make_baseline
from saliency_viewer.errors import UserError

NODES = (5, 10, 20, 32, 50, 100)
PAIR_STEPS = (20, 25, 100)
BASELINES = ("minimum", "mean")
_FLOOR = 0.01  # of the larger score: below it there is no difference to complete to


def completeness(setting: Setting) -> list[dict[str, Any]]:
    """One entry for each network, baseline and rule: median, 90 % quantile and largest |sum - delta| / |delta|."""
    count, found = (3 if setting.quick else 12), []
    for name, build in TRAINED.items():
        try:
            trained = build(setting.cache, setting.quick, count)
        except (Absent, UserError, *PEER_ERRORS) as error:
            say(f"nodes: without {name}: {error}")
            found.append({"network": name, "skipped": str(error)})
            continue
        for baseline in BASELINES:
            found += _of_network(name, trained, baseline, setting)
    return found


def _of_network(name: str, trained: Trained, baseline: str, setting: Setting) -> list[dict[str, Any]]:
    network, x = trained.network.to(setting.device), trained.inputs.to(setting.device)
    start = make_baseline(baseline, x)
    with torch.no_grad():
        rows = list(range(len(x)))
        high = torch.cat([network(one[None]) for one in x])[rows, list(trained.targets)].double().cpu()
        low = torch.cat([network(one[None]) for one in start])[rows, list(trained.targets)].double().cpu()
    delta = (high - low).numpy()
    kept = np.abs(delta) > _FLOOR * np.maximum(high.abs(), low.abs()).numpy()
    found = []
    for rule, sums in _rules(trained, x, start, setting.quick).items():
        say(f"nodes: {name}, baseline {baseline}, {rule}")
        try:
            errors = np.abs(sums() - delta)[kept] / np.abs(delta)[kept]
        except (UserError, *PEER_ERRORS) as error:
            found.append({"network": name, "baseline": baseline, "rule": rule, "skipped": reason(error)})
            continue
        found.append(
            {
                "network": name,
                "about": trained.about,
                "baseline": baseline,
                "rule": rule,
                "images": int(kept.sum()),
                "median": float(np.median(errors)) if kept.any() else None,
                "p90": float(np.quantile(errors, 0.9)) if kept.any() else None,
                "max": float(errors.max()) if kept.any() else None,
            }
        )
    return found


def _rules(trained: Trained, x: Tensor, start: Tensor, quick: bool) -> dict[str, Callable[[], Any]]:
    def ours(nodes: int) -> Any:
        settings = {"integrated-gradients": {"steps": nodes}}
        given = {"baseline": start, "parameters": settings}
        maps = explain(trained.network, x, "integrated-gradients", trained.targets, **given)
        return maps["integrated-gradients"].signed.double().flatten(1).sum(1).numpy()

    def captum() -> Any:
        from captum.attr import IntegratedGradients

        tool = IntegratedGradients(trained.network)
        arguments = {"n_steps": 50, "method": "riemann_trapezoid", "internal_batch_size": 4}
        each = zip(x, start, trained.targets, strict=True)
        maps = [tool.attribute(one[None], zero[None], target=target, **arguments) for one, zero, target in each]
        return torch.cat(maps).double().flatten(1).sum(1).cpu().numpy()

    def pair(steps: int) -> Any:
        each = zip(x, start, trained.targets, strict=True)
        maps = [
            peers.pair(trained.network, one[None], target, "IntegratedGradients", zero[None], x_steps=steps)()
            for one, zero, target in each
        ]
        return torch.stack(maps).double().flatten(1).sum(1).numpy()

    nodes = NODES[:3] if quick else NODES
    found: dict[str, Callable[[], Any]] = {f"ours, {n} nodes": (lambda n=n: ours(n)) for n in nodes}
    found["captum riemann_trapezoid, 50 steps"] = captum
    for steps in PAIR_STEPS[:1] if quick else PAIR_STEPS:
        found[f"PAIR, {steps} steps"] = lambda steps=steps: pair(steps)
    return found
