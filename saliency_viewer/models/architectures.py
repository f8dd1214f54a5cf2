"""From ``architecture = "prefix:name"`` to a network without weights. Nothing is ever downloaded."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.files import PackageFiles
from saliency_viewer.models.own_code import OwnCode, Trust, own_code

if TYPE_CHECKING:
    from torch import nn

# Arguments by which libraries fetch weights from the internet.
_FETCHING = ("weights", "weights_backbone", "pretrained", "progress")


@dataclass(frozen=True)
class Request:
    """What a builder is given: the name behind the prefix, and the package around it.

    ``keys`` are the names in the weights file; ``trust_code`` is what :meth:`OwnCode.is_allowed` takes.
    """

    name: str
    arguments: Mapping[str, Any]
    files: PackageFiles
    keys: Collection[str]
    trust_code: Trust


@dataclass(frozen=True)
class Architecture:
    """A family of networks: the prefix in the card, and how one is built."""

    prefix: str
    build: Callable[[Request], nn.Module]


def _torchvision(request: Request) -> nn.Module:
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if request.name not in known:
        raise UserError(f"torchvision has no classifier '{request.name}'.", near_match(request.name, known))
    arguments = dict(request.arguments)
    if request.name in ("inception_v3", "googlenet"):
        # Their own slow initialisation would be overwritten by the weights; auxiliary heads serve training only.
        arguments.setdefault("init_weights", False)
        arguments.setdefault("aux_logits", any("AuxLogits." in key or "aux1." in key for key in request.keys))
    return _called(lambda: torchvision.models.get_model(request.name, weights=None, **arguments), request.name)


def _monai(request: Request) -> nn.Module:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI's import warns about its own optional parts
            from monai.networks import nets
    except ImportError as error:
        raise UserError("This model needs MONAI.", "Install it: pip install monai", str(error)) from error
    known = [name for name in dir(nets) if callable(getattr(nets, name)) and not name.startswith("_")]
    found = getattr(nets, request.name, None) if request.name in known else None
    is_network = isinstance(found, type) and issubclass(found, torch.nn.Module)
    if found is None or not (is_network or isinstance(found, types.FunctionType)):
        raise UserError(f"MONAI has no network '{request.name}'.", near_match(request.name, known))
    return _called(lambda: found(**request.arguments), request.name)


def _builtin(request: Request) -> nn.Module:
    from saliency_viewer.models.builtin import BUILTIN

    if request.name not in BUILTIN:
        raise UserError(f"There is no built-in network '{request.name}'.", near_match(request.name, BUILTIN))
    return _called(lambda: BUILTIN[request.name](**request.arguments), request.name)


def _python(request: Request) -> nn.Module:
    code = own_code(f"python:{request.name}", request.files)
    assert code is not None  # the prefix says so
    if not code.is_allowed(request.trust_code):
        raise UserError(
            "This model package brings its own Python code, which could do anything on this computer: it was not run.",
            "If you know where it comes from, read the file and allow it: in the window when it asks (choose the "
            "package again if the file was changed since), on the command line with --trust-code.",
            f"sha256 of the code: {code.digest}",
        )
    module = _run_code(code)
    found = getattr(module, code.class_name, None)
    if not callable(found):
        names = [name for name, value in vars(module).items() if isinstance(value, type) and not name.startswith("_")]
        raise UserError(f"The package's code defines no '{code.class_name}'.", near_match(code.class_name, names))
    return _called(lambda: found(**request.arguments), code.class_name)


def _run_code(code: OwnCode) -> types.ModuleType:
    import sys

    name = f"saliency_viewer_user_code_{code.digest[:16]}"
    module = types.ModuleType(name)
    # Dataclasses and deep copies look their module up by name, so it has to be known while it runs and after.
    sys.modules[name] = module
    try:
        exec(compile(code.source, "<code of the model package>", "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise UserError(
            "The model package's code stopped with an error.",
            "Mend it; it may import installed libraries, but no other files of the package.",
            f"{type(error).__name__}: {error}",
        ) from error
    return module


def _called(make: Callable[[], Any], name: str) -> nn.Module:
    import torch

    try:
        network = make()
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"The network '{name}' cannot be made with the arguments in model.toml.",
            "Check model.arguments.",
            f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(network, torch.nn.Module):
        raise UserError(f"'{name}' is no torch network.", "Name a class that derives from torch.nn.Module.")
    return network


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture("torchvision", _torchvision),
    Architecture("monai", _monai),
    Architecture("builtin", _builtin),
    Architecture("python", _python),
)


def build_network(
    architecture: str, arguments: Mapping[str, Any], files: PackageFiles, keys: Collection[str], trust_code: Trust
) -> nn.Module:
    """The untrained network that ``architecture`` names. Raises :class:`UserError`. Torch's random state is kept."""
    prefix, _, name = architecture.partition(":")
    supported = ", ".join(f"{item.prefix}:" for item in ARCHITECTURES)
    chosen = next((item for item in ARCHITECTURES if item.prefix == prefix), None)
    if chosen is None or not name:
        raise UserError(f"The architecture '{architecture}' is of no supported kind.", f"Supported are: {supported}.")
    for key in _FETCHING:
        if arguments.get(key):
            raise UserError(
                f"model.toml: model.arguments.{key} would fetch weights from the internet.",
                "Take it out: the weights come from the package.",
            )
    wanted = {key: value for key, value in arguments.items() if key not in _FETCHING}
    with _kept_random_state():
        return chosen.build(Request(name, wanted, files, keys, trust_code))


@contextmanager
def _kept_random_state() -> Iterator[None]:
    """Building a network draws random weights, which must not move the caller's random numbers on."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield
