"""What ``explain`` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods import method
from saliency_viewer.domain import Provenance, Validity
from saliency_viewer.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Result:
    """One method's maps of a batch of N inputs, float32, on the CPU.

    ``values`` is (N, C, *spatial) for input-level methods and (N, 1, *spatial) for layer methods, there after the
    method's ReLU where it has one; ``signed`` is the map without that ReLU; ``layer_values`` is (N, *layer spatial),
    signed, None for input-level methods. ``residual`` and ``standard_error`` are (N,) or None, ``score`` is (N,) and
    ``target`` holds one output index for each input.
    """

    values: Tensor
    signed: Tensor
    layer_values: Tensor | None
    residual: Tensor | None
    standard_error: Tensor | None
    target: tuple[int, ...]
    score: Tensor
    layer: str | None
    provenance: Provenance
    validity: Validity
    one_sided: bool


class Results(dict[str, Result]):
    """Results by method id; ``undefined`` holds the reason of each method that has no meaning for the network.

    The other names of a method find its result too: ``results["saliency"]`` is ``results["gradient"]``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.undefined: dict[str, UserError] = {}

    def __missing__(self, name: str) -> Result:
        """The result under another name of its method; KeyError when there is none."""
        try:
            found = method(name).id
        except UserError:
            raise KeyError(name) from None
        if found not in self:
            raise KeyError(name)
        return self[found]
