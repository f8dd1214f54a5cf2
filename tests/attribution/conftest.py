"""Small networks with the habits of real ones: in-place, functional, reused, residual, dense, gated, odd in size."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages, and tests share small_networks

from small_networks import FEW

CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMALISATION = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
SIZES = {1: (37,), 2: (17, 14), 3: (9, 8, 7)}


class Plain(nn.Module):
    """conv, ReLU, pooling, conv, ReLU, mean, linear; ``relu`` says how the rectifier is spelled."""

    def __init__(self, axes: int, relu: Callable[[Tensor], Tensor], outputs: int = 3, bias: bool = True) -> None:
        super().__init__()
        self.first = CONVOLUTION[axes](2, 6, 3, padding=1, bias=bias)
        self.second = CONVOLUTION[axes](6, 5, 3, padding=1, bias=bias)
        self.head = nn.Linear(5, outputs, bias=bias)
        self.relu = relu
        self.pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}[axes]

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.first(x)), 2)
        return self.head(self.relu(self.second(x)).flatten(2).mean(-1))


class Residual(nn.Module):
    """Batch normalisation, an in-place ReLU module used three times, and ``+=``, as torchvision's ResNet has them."""

    def __init__(self, axes: int = 2) -> None:
        super().__init__()
        conv, norm = CONVOLUTION[axes], NORMALISATION[axes]
        self.stem, self.stem_norm = conv(2, 6, 3, stride=2, padding=1, bias=False), norm(6)
        self.conv1, self.norm1 = conv(6, 6, 3, padding=1, bias=False), norm(6)
        self.conv2, self.norm2 = conv(6, 6, 3, padding=1, bias=False), norm(6)
        self.relu = nn.ReLU(inplace=True)
        self.pool = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[axes](1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem_norm(self.stem(x)))
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += x
        return self.head(torch.flatten(self.pool(self.relu(out)), 1))


class Dense(nn.Module):
    """Concatenation, normalisation before the convolution, and a last rectifier that is a function in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(7)])
        self.convs = nn.ModuleList([nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(7, 3, 3, padding=1)])
        self.last = nn.BatchNorm2d(10)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            features.append(conv(functional.relu(norm(torch.cat(features, 1)))))
        out = functional.relu(self.last(functional.avg_pool2d(torch.cat(features, 1), 2)), inplace=True)
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(out, (1, 1)), 1))


class Gated(nn.Module):
    """ReLU6 and a squeeze-and-excitation gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU6(inplace=True))
        self.squeeze, self.excite = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return self.head((x * torch.sigmoid(self.excite(gate))).mean((2, 3)))


class Smooth(nn.Module):
    """SiLU: guided methods have no meaning here."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.silu(self.norm(self.conv(x)), inplace=True).mean((2, 3)))


class Attending(nn.Module):
    """Self-attention over positions: rules of relevance have no meaning here."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(2, 4, 4, stride=4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2)
        mixed = torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens
        return self.head(functional.relu(mixed).mean(1))


BUILDERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "in-place module 1D": (lambda: Plain(1, nn.ReLU(inplace=True)), 1),
    "functional 2D": (lambda: Plain(2, functional.relu), 2),
    "in-place method 2D": (lambda: Plain(2, Tensor.relu_), 2),
    "clamp 2D": (lambda: Plain(2, lambda x: x.clamp(min=0)), 2),
    "leaky 2D": (lambda: Plain(2, nn.LeakyReLU(0.1, inplace=True)), 2),
    "in-place function 3D": (lambda: Plain(3, torch.relu_), 3),
    "residual 1D": (lambda: Residual(1), 1),
    "residual 2D": (lambda: Residual(2), 2),
    "residual 3D": (lambda: Residual(3), 3),
    "dense 2D": (Dense, 2),
    "gated 2D": (Gated, 2),
    "smooth 2D": (Smooth, 2),
    "attending 2D": (Attending, 2),
}


def calibrated(network: nn.Module, inputs: Tensor) -> nn.Module:
    """Batch statistics from a few passes, so that activations are neither dead nor huge; then evaluation mode."""
    network.train()
    with torch.no_grad():
        for _ in range(10):
            network(inputs)
    return network.eval()


def build(name: str, samples: int = 3) -> tuple[nn.Module, Tensor]:
    """A calibrated network and inputs (samples, 2, *spatial)."""
    make, axes = BUILDERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = make()
        inputs = torch.randn(samples, 2, *SIZES[axes])
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        return calibrated(network, torch.randn(8, 2, *SIZES[axes])), inputs


@pytest.fixture(scope="session", name="build")
def give_build() -> Callable[..., tuple[nn.Module, Tensor]]:
    return build


@pytest.fixture(params=BUILDERS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """Each network with three inputs."""
    return build(request.param)


@pytest.fixture(autouse=True)
def few_threads() -> Iterator[None]:
    """Small networks are fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def every_method() -> tuple[str, ...]:
    from saliency_viewer.attribution import METHODS

    return tuple(method.id for method in METHODS)


@pytest.fixture
def few() -> dict[str, dict[str, Any]]:
    """Parameters that keep streams short."""
    return FEW
