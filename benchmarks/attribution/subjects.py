"""The networks that are explained, and what tuning makes of them."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.agreement import CASES, Case, calibrated, smooth_noise
from benchmarks.attribution.timing import interleaved

DATA_VARIABLE = "SALIENCY_VIEWER_TEST_DATA"  # as in tests/conftest.py
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_MOST_KEPT = 2  # subjects in memory at once; a VGG-16 with its copies takes a gigabyte


def _resnet18() -> nn.Module:
    from torchvision import models

    network: nn.Module = models.resnet18(weights=None, num_classes=10)
    return network


# The layers that modules give: peers cannot be told to read DenseNet's last rectifier, which is a function.
PEER_LAYERS = {
    "ResNet-18": "layer4",
    "ResNet-50": "layer4",
    "VGG-16": "features",
    "DenseNet-121": "features.denseblock4",
    "MONAI DenseNet121 3D": "class_layers.relu",
    "chest": "features",
    "trained ResNet-18": "layer4",
}
_CASES = {**CASES, "ResNet-18": Case(_resnet18, (1, 3, 224, 224), None)}


@dataclass
class Subject:
    """A network with an input, as a user has it (``network``) and as references and peers may want it."""

    name: str
    network: nn.Module
    inputs: Tensor
    weights: str
    target: int = 1
    tune_by_timing: bool = True

    @cached_property
    def frozen(self) -> nn.Module:
        """A copy without gradients of parameters, otherwise as found."""
        return copy.deepcopy(self.network).requires_grad_(False)

    @cached_property
    def tuned(self) -> tuple[nn.Module, Tensor]:
        """Frozen, batch norms folded into convolutions, in the faster memory layout; and the input in that layout."""
        candidates = [_laid_out(folded(self.network), self.inputs, last) for last in (True, False)]
        if not self.tune_by_timing:
            return candidates[0]
        works = {str(k): bare_pass(*candidate, self.target) for k, candidate in enumerate(candidates)}
        times = interleaved(works, 3, self.inputs.device)
        return min(zip(candidates, times.values(), strict=True), key=lambda pair: sorted(pair[1])[1])[0]

    @cached_property
    def batch(self) -> int:
        """The batch size at which a forward and backward pass of the tuned network costs least for each row."""
        return self._best_batch(gradient=True)

    @cached_property
    def forward_batch(self) -> int:
        """The same of forward passes alone."""
        return self._best_batch(gradient=False)

    def _best_batch(self, gradient: bool) -> int:
        sizes = (1,) if self.inputs.ndim > 4 else (1, 2, 4, 8, 16)
        if self.inputs.is_cuda:
            sizes = (1, 2, 4) if self.inputs.ndim > 4 else (4, 16, 32, 64)
        if len(sizes) == 1 or not self.tune_by_timing:
            return min(4, sizes[-1])
        network, x = self.tuned
        works = {str(n): bare_pass(network, repeated(x, n), self.target, gradient) for n in sizes}
        times = interleaved(works, 3, x.device)
        return min(sizes, key=lambda n: sorted(times[str(n)])[1] / n)


def repeated(x: Tensor, count: int) -> Tensor:
    """``count`` copies of the one input, in its memory layout."""
    kept = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    many = x.repeat(count, *[1] * (x.ndim - 1))
    last = x.ndim > 3 and x.is_contiguous(memory_format=kept) and not x.is_contiguous()
    return many.contiguous(memory_format=kept) if last else many


def bare_pass(network: nn.Module, x: Tensor, target: int, gradient: bool = True) -> Callable[[], Any]:
    """A forward pass, with ``gradient`` also backward to the input."""

    def both() -> Any:
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(network(leaf)[:, target].sum(), leaf)[0]

    def forward() -> Any:
        with torch.no_grad():
            return network(x)

    return both if gradient else forward


def _laid_out(network: nn.Module, x: Tensor, channels_last: bool) -> tuple[nn.Module, Tensor]:
    if not channels_last or x.ndim == 3:
        return network, x
    kept = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    moved: nn.Module = network.to(memory_format=kept)  # type: ignore[call-overload]
    return moved, x.contiguous(memory_format=kept)


def folded(network: nn.Module) -> nn.Module:
    """A frozen copy whose batch norms are folded into the convolution right before them, modules' names kept.

    The graph only says which pairs there are: a network that was rebuilt from it would have no ``layer4`` that peers
    could hook.
    """
    twin = copy.deepcopy(network).eval()
    modules = dict(twin.named_modules())
    for before, after in _pairs(fx.symbolic_trace(twin).graph, modules):
        twin.set_submodule(before, fuse_conv_bn_eval(modules[before], modules[after]))
        twin.set_submodule(after, nn.Identity())
    return twin.requires_grad_(False)


def _pairs(graph: fx.Graph, modules: dict[str, nn.Module]) -> Iterator[tuple[str, str]]:
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[node.target], _NORMS):
            continue
        before = node.args[0]
        if before.op != "call_module" or not isinstance(modules[before.target], _CONVOLUTIONS):
            continue
        if len(before.users) == 1 and calls[before.target] == calls[node.target] == 1:
            yield before.target, node.target


def own_rectifiers(network: nn.Module) -> nn.Module:
    """A copy in which every call of a module is a module of its own, none in place: what captum's DeepLIFT asks for."""
    traced = fx.symbolic_trace(copy.deepcopy(network).eval())
    seen: Counter[str] = Counter()
    for node in traced.graph.nodes:
        if node.op != "call_module":
            continue
        name = str(node.target)
        seen[name] += 1
        if seen[name] > 1:
            again = f"{name.replace('.', '_')}_call_{seen[name]}"
            traced.add_submodule(again, copy.deepcopy(traced.get_submodule(name)))
            node.target = again
    traced.recompile()
    for module in traced.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return traced


@dataclass
class Setting:
    """What all rows share: options, and the subjects that were built last."""

    quick: bool = False
    device: str = "cpu"
    calibrate: bool = True  # off where memory is measured: it would raise the mark that is read
    cache: Path | None = None
    _kept: dict[str, Subject] = field(default_factory=dict)

    def subject(self, name: str) -> Subject:
        """The subject of that name, built when it is not among the last ones."""
        found = self._kept.pop(name, None) or self._build(name)
        self._kept[name] = found
        while len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return found

    def _build(self, name: str) -> Subject:
        from benchmarks.attribution.trained import TRAINED

        if name in TRAINED:
            trained = TRAINED[name](self.cache, self.quick, 1)
            network, x, weights, target = trained.network, trained.inputs[:1], "trained", trained.targets[0]
        else:
            network, x = self._random(_CASES[name])
            with torch.no_grad():  # the largest logit: its class activation maps have a positive part
                weights, target = "random, calibrated", int(network(x).argmax())
        network, x = network.to(self.device), x.to(self.device)
        return Subject(name, network, x, weights, target, self.calibrate)

    def _random(self, case: Case) -> tuple[nn.Module, Tensor]:
        side = {True: 112, False: 224} if len(case.shape) == 4 else {True: 64, False: 96}
        shape = (*case.shape[:2], *[side[self.quick]] * len(case.shape[2:]))
        if self.calibrate:
            network, _ = calibrated(case)
        else:
            torch.manual_seed(0)
            network = case.build().eval()
        torch.manual_seed(1)
        return network, smooth_noise(shape)


def shared_data() -> Path | None:
    """Folder of the licensed real images and small trained networks, None where it is absent; see tests/conftest.py."""
    beside_checkout = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, beside_checkout))
    return folder if (folder / "manifest.tsv").exists() else None
