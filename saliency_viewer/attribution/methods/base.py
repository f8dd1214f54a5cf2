"""What every method is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from saliency_viewer.attribution.needs import Need

if TYPE_CHECKING:
    from torch import Tensor

    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class Capabilities:
    """What users and other code may expect of a method's map.

    ``signed``: negative values mean evidence against the target. ``additive``: the map sums to a known
    number, so a residual is reported. ``needs_layer``: computed at a layer and upsampled.
    ``one_sided``: only positive values have a meaning, and the published form has no others.
    """

    signed: bool = True
    additive: bool = False
    needs_layer: bool = False
    one_sided: bool = False


@dataclass(frozen=True)
class NoParameters:
    """For methods without parameters."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A method's map before the engine's checks.

    ``values`` is (N, C, *spatial) for input-level methods and (N, 1, *layer spatial) for layer methods.
    ``expected_sum`` (N,) is what an additive map must sum to. ``standard_error`` (N,) is the mean over positions of a
    stochastic map's error. ``approximation`` says what was left out, where the published form was not computed in full.
    ``of_score``: the expected sum is in the score's unit, so that it may be too small to divide by.
    """

    values: Tensor
    expected_sum: Tensor | None = None
    standard_error: Tensor | None = None
    approximation: str = ""
    of_score: bool = True


class Method(ABC):
    """One attribution method: which evidence it needs, and the formula that reduces it.

    Importing a method imports no torch, since the method panel lives in a process without it.
    """

    id: ClassVar[str]
    label: ClassVar[str]
    reference: ClassVar[str]
    summary: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    capabilities: ClassVar[Capabilities]
    Parameters: ClassVar[type] = NoParameters

    @abstractmethod
    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """The evidence to ask for."""

    @abstractmethod
    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The formula."""
