"""Networks for tests, and the program files that torch writes of them."""

from __future__ import annotations

import io
import warnings
import zipfile

import torch
import torchvision.models as zoo
from torch import nn
from torch.nn import functional

from saliency_viewer.models.architectures import build_network

IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(5))


def randomised(network):
    """Evaluating, with statistics and weights that are not what layers begin with."""
    made = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=made)
            module.running_var.uniform_(0.5, 1.5, generator=made)
    return network.eval()


class Block(nn.Module):
    """A residual block with batch normalisation; its ReLU works in place and is called twice."""

    def __init__(self, axes, channels):
        super().__init__()
        convolution, norm = (getattr(nn, f"{kind}{axes}d") for kind in ("Conv", "BatchNorm"))
        self.conv1, self.norm1 = convolution(channels, channels, 3, padding=1, bias=False), norm(channels)
        self.conv2, self.norm2 = convolution(channels, channels, 3, padding=1), norm(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x
        return self.relu(y)


class Usual(nn.Module):
    """What classifiers are made of: a stem, blocks in a list, pooling, a branch on training, dropout, a head."""

    def __init__(self, axes=2, channels=1, classes=3):
        super().__init__()
        convolution, pool = getattr(nn, f"Conv{axes}d"), getattr(nn, f"AdaptiveAvgPool{axes}d")
        self.axes = axes
        self.stem = nn.Sequential(convolution(channels, 6, 3, stride=2, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList([Block(axes, 6), Block(axes, 6)])
        self.pool, self.dropout, self.head = pool(1), nn.Dropout(0.5), nn.Linear(6, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        if self.training:
            x = x + torch.rand_like(x)
        x = torch.flatten(self.pool(x), 1)
        return self.head(self.dropout(x))


class ForOne(nn.Module):
    """Writes the example's batch into its reshapes when it is traced."""

    def __init__(self):
        super().__init__()
        self.conv, self.token = nn.Conv2d(1, 4, 4, stride=4), nn.Parameter(torch.randn(1, 1, 4))
        self.norm, self.mix, self.head = nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        batch = int(x.shape[0])
        x = self.conv(x).reshape(batch, 4, 16).permute(0, 2, 1)
        x = torch.cat([self.token.expand(batch, -1, -1), x], dim=1)
        x = x + self.mix(self.norm(x))
        heads = x.reshape(batch, 17, 2, 2).permute(0, 2, 1, 3)
        x = functional.scaled_dot_product_attention(heads, heads, heads).permute(0, 2, 1, 3).reshape(batch, 17, 4)
        return self.head(x[:, 0])


class OnPixels(nn.Module):
    """What it does depends on what is in the image."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)
        self.register_buffer("factor", torch.ones(1))

    def forward(self, x):
        y = self.conv(x)
        y = torch.relu(y) if float(x.mean()) > 0 else torch.sigmoid(y)
        return self.head(y.mean((2, 3)) * self.factor)


def miniature(name):
    """A small network of a library, and the shape of its input."""
    if name == "MONAI 3D DenseNet":
        from monai.networks.nets import DenseNet

        made = DenseNet(3, 1, 3, init_features=4, growth_rate=4, block_config=(2, 2))
        return randomised(made), (1, 1, 24, 24, 24)
    torch.manual_seed(0)
    makers = {
        "resnet18": lambda: zoo.ResNet(zoo.resnet.BasicBlock, [1, 1, 1, 1], 3),
        "densenet": lambda: zoo.DenseNet(4, (1, 2), 8, num_classes=3),
        "mobilenet_v3_small": lambda: zoo.mobilenet_v3_small(num_classes=3, dropout=0.0),
        "efficientnet": lambda: zoo.efficientnet.EfficientNet(
            [
                zoo.efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1),
                zoo.efficientnet.MBConvConfig(4, 5, 2, 8, 16, 1),
            ],
            0.0,
            num_classes=3,
        ),
        "convnext": lambda: zoo.ConvNeXt([zoo.convnext.CNBlockConfig(8, None, 2)], num_classes=3),
        "swin": lambda: zoo.SwinTransformer([4, 4], 8, [1, 1], [2, 2], [4, 4], num_classes=3),
        "vit": lambda: _with_head(zoo.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)),
        "googlenet": lambda: zoo.GoogLeNet(num_classes=3, init_weights=False),
    }
    return randomised(makers[name]()), (1, 3, 64 if name != "vit" else 32, 64 if name != "vit" else 32)


def _with_head(network):
    nn.init.normal_(network.heads.head.weight)
    return network


MINIATURES = ("resnet18", "densenet", "mobilenet_v3_small", "efficientnet", "convnext", "swin", "vit")


def _example(network, shape):
    """Noise in the precision of the network's weights."""
    precision = next((weight.dtype for weight in network.parameters()), torch.float32)
    return torch.randn(shape, dtype=precision)


def scripted(network, shape, how):
    """A TorchScript file: ``trace``, ``script``, and ``freeze`` of what was scripted."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and tracing warns of what tests mean to do
        if how == "trace":
            program = torch.jit.trace(network, _example(network, shape), check_trace=False)
        else:
            program = torch.jit.script(network)
        torch.jit.save(torch.jit.freeze(program) if how == "freeze" else program, stream)
    return stream.getvalue()


def exported(network, shape, how="static"):
    """A ``.pt2`` file: ``static``, ``dynamic`` in its batch, or ``decomposed`` into torch's core operators."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=64)},)} if how == "dynamic" else {}
        example = _example(network, (2, *shape[1:]) if how == "dynamic" else shape)
        program = torch.export.export(network, (example,), **free)
        torch.export.save(program.run_decompositions() if how == "decomposed" else program, stream)
    return stream.getvalue()


def opened(architecture, content, shape):
    """The network that the program opens it as."""
    return build_network(architecture, {}, None, (), False, content, "network", tuple(shape))


def changed(content, change):
    """The zip archive with ``change(name, bytes)`` in place of every member; None leaves it out."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            found = change(name, before.read(name))
            if found is not None:
                after.writestr(*(found if isinstance(found, tuple) else (name, found)))
    return written.getvalue()


def require_same(found, network, images):
    """Raise AssertionError unless both answer alike."""
    with torch.no_grad():
        torch.testing.assert_close(found(images), network(images), rtol=1e-4, atol=1e-5)
