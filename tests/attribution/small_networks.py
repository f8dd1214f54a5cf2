"""Small networks with the habits that break attribution libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
SIZES = {1: (19,), 2: (13, 11), 3: (9, 7, 8)}
# Parameters of methods that keep streams short.
_SAMPLES, _NOISY_PATHS = {"samples": 5}, {"samples": 3, "steps": 3}
FEW: dict[str, dict[str, Any]] = {
    "smooth-grad": _SAMPLES,
    "smooth-grad-squared": _SAMPLES,
    "var-grad": _SAMPLES,
    "gradient-shap": _SAMPLES,
    "integrated-gradients": {"steps": 6},
    "smooth-integrated-gradients": _NOISY_PATHS,
    "noise-tunnel-ig": _NOISY_PATHS,
    "blur-ig": {"steps": 6, "sigma": 3.0},
    "guided-ig": {"steps": 6, "distance": 0.1},
    "xrai": {"steps": 4},
    "rise": {"samples": 12},
    "occlusion": {"size": 6, "stride": 5},
}
# Random numbers that lie along the input's axes.
STOCHASTIC = {
    *("smooth-grad", "smooth-grad-squared", "var-grad", "smooth-integrated-gradients", "noise-tunnel-ig"),
    *("gradient-shap", "rise"),
}
CHANNELS = 2


class Plain(nn.Module):
    """conv, in-place ReLU, max pooling, conv, in-place ReLU, global average, linear."""

    def __init__(self, axes: int, outputs: int = 3, bias: bool = True) -> None:
        super().__init__()
        conv = CONV[axes]
        self.features = nn.Sequential(
            conv(CHANNELS, 5, 3, padding=1, bias=bias),
            nn.ReLU(inplace=True),
            POOL[axes](2),
            conv(5, 6, 3, padding=1, bias=bias),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(6, outputs, bias=bias)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.features(x).flatten(2).mean(-1))


class Residual(nn.Module):
    """Batch norm after convolutions, one ReLU module used everywhere, an in-place sum, a concatenation."""

    def __init__(self, axes: int, outputs: int = 3) -> None:
        super().__init__()
        conv, norm = CONV[axes], NORM[axes]
        self.stem, self.stem_norm = conv(CHANNELS, 6, 3, stride=2, padding=1, bias=False), norm(6)
        self.body, self.body_norm = conv(6, 6, 3, padding=1, bias=False), norm(6)
        self.dense_norm, self.dense = norm(6), conv(6, 4, 1)
        self.last_norm = norm(10)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(10, outputs)
        self.axes = axes

    def forward(self, x: Tensor) -> Any:
        x = self.relu(self.stem_norm(self.stem(x)))
        out = self.body_norm(self.body(x))
        out += x
        out = self.relu(out)
        new = self.dense(self.relu(self.dense_norm(out)))
        out = functional.relu(self.last_norm(torch.cat([out, new], 1)), inplace=True)
        return self.head(functional.adaptive_avg_pool1d(out.flatten(2), 1).flatten(1))


class Functional(Plain):
    """The same as Plain, without a single activation module, with an in-place method and an average pooling."""

    def forward(self, x: Tensor) -> Any:
        x = self.features[0](x).relu_()
        x = AVERAGE[x.ndim - 2](x, 2)
        return self.head(torch.relu(self.features[3](x)).flatten(2).mean(-1))


class Headed(Plain):
    """Plain behind another end."""

    def __init__(self, axes: int, end: Callable[[Tensor], Any], outputs: int = 3) -> None:
        super().__init__(axes, outputs)
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(super().forward(x))


def calibrated(network: nn.Module, inputs: Tensor) -> nn.Module:
    """Statistics of batch norm that fit the random weights, with random affine parameters; evaluation mode."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    network.train()
    with torch.no_grad():
        for _ in range(5):
            network(inputs + 0.1 * torch.randn_like(inputs))
    return network.eval()


def inputs_for(axes: int, samples: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(samples, CHANNELS, *SIZES[axes], generator=torch.Generator().manual_seed(seed))


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "functional": Functional,
    "softmax": lambda axes: Headed(axes, _softmax),
    "sigmoid": lambda axes: Headed(axes, torch.sigmoid),
    "one logit": lambda axes: Plain(axes, outputs=1),
    "dictionary": lambda axes: Headed(axes, lambda logits: {"logits": logits, "aux": logits * 2}),
    "tuple": lambda axes: Headed(axes, lambda logits: (logits, logits * 2)),
}


def make(name: str, axes: int, seed: int = 1) -> nn.Module:
    """A calibrated network of that name; the same seed gives the same weights. Leaves the random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return calibrated(NETWORKS[name](axes), inputs_for(axes, 8, seed=9))
