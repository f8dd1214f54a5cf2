"""The adapter over pytorch-grad-cam: formulas on our evidence, and whole runs on a copy of the network."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution.bias_census import BiasCensus
from saliency_viewer.attribution.needs import LibraryFullGrad
from saliency_viewer.attribution.score import Score, logits_of
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.runtime.memory import is_out_of_memory

if TYPE_CHECKING:
    from saliency_viewer.attribution.gathering import Gathering


@dataclass(frozen=True, eq=False)
class FullGradMaps:
    """``maps`` (N, 1, rows, columns); ``left_out`` says which biases they lack, empty where they have all."""

    maps: Tensor
    left_out: str


def library_cam(name: str, activations: Tensor, gradients: Tensor) -> Tensor:
    """The map (N, 1, *layer spatial) of the library's class ``name`` from A and G, both (N, K, rows, columns).

    NaN where they are not finite: the library would write zeros there, and those would say that there is no evidence.
    """
    _refuse_other_dimensions(activations.ndim)
    import pytorch_grad_cam

    finite = (activations.isfinite() & gradients.isfinite()).flatten(1).all(1).reshape(-1, 1, 1, 1)
    formula = getattr(pytorch_grad_cam, name)(nn.Linear(1, 1), [])  # it asks a network for its device, no more
    a, g = (v.detach().where(finite, 0).cpu().double().numpy() for v in (activations, gradients))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the formulas divide by zero where a map is flat
        found = formula.get_cam_image(None, None, None, a, g, False)
    return torch.as_tensor(found.copy()).to(activations)[:, None].where(finite, torch.nan)


def full_grad(_need: LibraryFullGrad, run: Gathering) -> FullGradMaps:
    """FullGrad by the library's own pass over a copy of the network, since it hooks what it is given."""
    _refuse_other_dimensions(run.inputs.ndim)
    run.passes.refuse_scripts()
    if isinstance(run.passes.network, torch.fx.GraphModule):
        raise NotDefinedHere(
            "The pytorch-grad-cam library's FullGrad finds no layers in an exported program.",
            "Load the network that was exported, or choose input x gradient.",
        )
    wrapped = _Scored(copy.deepcopy(run.passes.network), run.score).eval()
    for module in wrapped.modules():
        if getattr(module, "inplace", False):
            vars(module)["inplace"] = False  # hooks of the library would see values that are overwritten later
    census = BiasCensus(wrapped)
    with torch.no_grad(), census, run.passes.mode(watch=census.watch):
        wrapped(run.inputs[:1].clone())  # what the network itself raises must not be taken for the library's
    found = []
    for row in range(len(run.inputs)):
        wrapped.row = row
        try:
            maps = _library_run(wrapped, run, row, census)
        except (ValueError, RuntimeError, TypeError, AttributeError, IndexError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            raise NotDefinedHere(
                "The pytorch-grad-cam library's FullGrad cannot be applied to this network.",
                "Choose input x gradient or integrated gradients.",
                f"{type(error).__name__}: {error}",
            ) from error
        found.append(torch.as_tensor(maps).to(run.inputs)[:, None])
    return FullGradMaps(torch.cat(found), census.left_out())


def _library_run(wrapped: _Scored, run: Gathering, row: int, census: BiasCensus) -> Any:
    from pytorch_grad_cam import FullGrad

    with torch.enable_grad(), FullGrad(wrapped, []) as method, run.passes.mode():
        # The library pairs biases in the order of definition with gradients in the order in which layers ran.
        method.bias_data = [method.get_bias_data(layer).cpu().numpy() for layer in census.in_order(method)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            return method(run.inputs[row : row + 1].clone(), [lambda output: output[0]])


class _Scored(nn.Module):
    """The network with the explained score as its only output."""

    def __init__(self, network: nn.Module, score: Score) -> None:
        super().__init__()
        self.network, self.score, self.row = network, score, 0

    def forward(self, inputs: Tensor) -> Any:
        """(1, 1)."""
        selected = self.score.select(logits_of(self.network(inputs), 1), [self.row])
        return self.score.value(selected)[:, None]


def _refuse_other_dimensions(dimensions: int) -> None:
    if dimensions != 4:
        raise NotDefinedHere(
            "This method comes from the pytorch-grad-cam library, which is for two-dimensional networks.",
            "Choose Grad-CAM, HiResCAM or Eigen-CAM, which the program computes itself in any dimension.",
        )
