"""Trained networks at hand, with images they were made for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.attribution.timing import say
from saliency_viewer.models import load_package
from saliency_viewer.runtime.resources import resource_path
from saliency_viewer.training.demo.recipes import RECIPES

_FIRST_SEED = 5_000  # of images that no training has seen
_LEARNT = 0.85  # share of right answers from which a network counts as trained


class Absent(Exception):  # noqa: N818 - a reason, not an error
    """Why a trained network cannot be had here."""


@dataclass(frozen=True, eq=False)
class Trained:
    """``inputs`` is (N, C, *spatial); ``targets`` holds the predicted class of each."""

    network: nn.Module
    inputs: Tensor
    targets: tuple[int, ...]
    about: str


def _with_targets(network: nn.Module, inputs: Tensor, about: str) -> Trained:
    with torch.no_grad():
        found = torch.cat([network(one[None]) for one in inputs]).argmax(1)
    return Trained(network, inputs, tuple(found.tolist()), about)


def _phantoms(name: str, count: int) -> Tensor:
    classifier = load_package(resource_path("models", name))
    unseen = RECIPES[name].unseen
    volumes = (unseen(_FIRST_SEED + k, k % 2 == 0).volume for k in range(count))
    return torch.cat([classifier.prepare(volume).inputs for volume in volumes])


def _demo(name: str) -> Callable[[Path | None, bool, int], Trained]:
    def build(_cache: Path | None, _quick: bool, count: int) -> Trained:
        network = load_package(resource_path("models", name)).network
        return _with_targets(network, _phantoms(name, count), f"the shipped {name} network on unseen phantoms")

    return build


def _radiographs(_cache: Path | None, _quick: bool, count: int) -> Trained:
    from benchmarks.attribution.subjects import shared_data
    from saliency_viewer.readers import open_study

    data = shared_data()
    if data is None:
        raise Absent("the shared images are not at hand")
    classifier = load_package(resource_path("models", "chest"))
    paths = sorted((data / "cxr" / "images").iterdir())[:count]
    inputs = [classifier.prepare(open_study(path).choose().load()).inputs for path in paths]
    return _with_targets(classifier.network, torch.cat(inputs), "the shipped chest network on real radiographs")


class _WholeVolume(nn.Module):
    """A segmentation network's logits averaged over the volume: (N, classes)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 1, D, H, W) to (N, classes)."""
        logits: Tensor = self.network(inputs).flatten(2).mean(2)
        return logits


def _meshnet(_cache: Path | None, _quick: bool, count: int) -> Trained:
    import nibabel
    from safetensors.torch import load_file

    from benchmarks.attribution.subjects import shared_data

    data = shared_data()
    folder = data / "checkpoints" / "meshnet_subcortical" if data else None
    if data is None or folder is None or not folder.is_dir():
        raise Absent("the shared checkpoints are not at hand")
    layers: list[nn.Module] = []
    for one in json.loads((folder / "model.json").read_text())["layers"]:
        layers += [nn.Conv3d(**one), nn.ELU()]
    plain = nn.Sequential(*layers[:-1])
    plain.load_state_dict({k.removeprefix("model."): v for k, v in load_file(folder / "model.pth").items()})
    crops = []
    for path in sorted((data / "hippocampus" / "images").glob("*.nii.gz"))[:count]:
        values = torch.from_numpy(nibabel.load(path).get_fdata(dtype="float32"))[:32, :32, :32]
        crops.append((values - values.min()) / (values.max() - values.min()))
    network = _WholeVolume(plain).eval()
    return _with_targets(network, torch.stack(crops)[:, None], "MeshNet (ELU), mean logit, on hippocampus crops")


def _resnet18(cache: Path | None, quick: bool, count: int) -> Trained:
    """A ResNet-18 trained here on chest phantoms (minutes; kept in ``cache``): 512 channels with something to say."""
    from torchvision import models

    torch.manual_seed(0)  # every run trains the same network
    network = models.resnet18(weights=None, num_classes=2)
    kept = cache / "resnet18-phantoms.pt" if cache else None
    if kept is not None and kept.exists():
        network.load_state_dict(torch.load(kept, weights_only=True))
    elif quick:
        raise Absent("it is trained by a full run only")
    else:
        _train(network)
        right = _accuracy(network)
        if right < _LEARNT:
            raise Absent(f"it did not learn: {right:.0%} of unseen phantoms right")
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(network.state_dict(), kept)
    inputs = _phantoms("chest", count).expand(-1, 3, -1, -1).clone()
    return _with_targets(network.eval(), inputs, "ResNet-18 trained here on chest phantoms")


def _accuracy(network: nn.Module) -> float:
    """Share of unseen phantoms whose class is found; every second one, from the first, has a finding."""
    inputs = _phantoms("chest", 24).expand(-1, 3, -1, -1)
    with torch.no_grad():
        found = torch.cat([network(one[None]) for one in inputs]).argmax(1)
    return float((found == (torch.arange(24) + 1) % 2).float().mean())


def _train(network: nn.Module) -> None:
    from saliency_viewer.training.demo.data import jitter, make_samples
    from saliency_viewer.training.demo.loop import PairPlan, Samples, train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = replace(RECIPES["chest"], pairs=400)
    say("making phantoms and training a ResNet-18 on them (some minutes, once)")
    torch.manual_seed(0)
    made = make_samples(recipe, 1_000_000)
    samples = Samples(made.inputs.expand(-1, 3, -1, -1).contiguous(), made.labels)
    train(network, samples, PairPlan(epochs=20, batch_size=16, learning_rate=1e-3), lambda x, r: jitter(recipe, x, r))


TRAINED: dict[str, Callable[[Path | None, bool, int], Trained]] = {
    "chest": _demo("chest"),
    "brain": _demo("brain"),
    "chest, radiographs": _radiographs,
    "MeshNet": _meshnet,
    "trained ResNet-18": _resnet18,
}
