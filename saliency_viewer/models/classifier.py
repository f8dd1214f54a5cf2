"""A trained classifier with everything between an image and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import ModelCard, Prediction, ScoreTarget, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models import outputs as heads
from saliency_viewer.models.baselines import make_baseline, value_range
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.fold_faults import in_fold
from saliency_viewer.models.forward import count_outputs, run_network
from saliency_viewer.models.prepared import Preparation, Prepared, project_map
from saliency_viewer.models.spatial_chain import MOST_INVENTED
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from torch import Tensor, nn

_DEFAULT_SLICES = 5


class Classifier:
    """A network with its card.

    Attributes
    ----------
    network:
        The torch module: evaluation mode, float32, raw outputs (N, outputs).
    model_hash:
        sha256 over card, weights and code.
    device:
        Where the network is.
    fold:
        Which one of an ensemble it is, or which ones together; empty for a network alone.
    doubts:
        What of the package's own description is not followed: sentences that go with every answer.
    """

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        model_hash: str,
        device: str = "cpu",
        fold: str = "",
        doubts: tuple[str, ...] = (),
    ) -> None:
        self._written = card
        self.network = network
        self.model_hash = model_hash
        self.device = device
        self.fold = fold
        self.doubts = doubts

    @property
    def members(self) -> tuple[Classifier, ...]:
        """The networks whose maps are averaged: this one alone, or the folds of an ensemble."""
        return (self,)

    @cached_property
    def card(self) -> ModelCard:
        """What the package says; classes that it does not name have the names of their numbers.

        Raises :class:`UserError` as :attr:`outputs` does, when the classes have no names.
        """
        card = self._written
        if card.output.classes:
            return card
        card = replace(card, output=heads.named(card.output, self.outputs))
        target, classes = card.explain.target, card.output.classes
        if target is not None and target not in classes:
            raise UserError(
                f"The model has no class '{target}', which is its card's target.", near_match(target, classes)
            )
        return card

    @cached_property
    def outputs(self) -> int:
        """Number of the network's outputs, from one run on zeros.

        Raises :class:`UserError` when the classes do not fit them, or the network cannot take its input size.
        """
        card = self._written
        with in_fold(self.fold):
            count = count_outputs(self.network, card.input, self.device)
            heads.check_head(heads.named(card.output, count), count)
        return count

    def prepare(self, volume: Volume, slices: Sequence[int] | None = None) -> Prepared:
        """The network's input. ``slices`` (default all) counts for slice-wise networks only.

        Raises :class:`UserError` for slices that are not in the volume, or a volume that does not suit the card.
        """
        return Preparation(self.card.input, volume).of(self._slices(volume, slices), self.device)

    def predict(self, volume: Volume, context: RunContext | None = None, batch_size: int = 4) -> Prediction:
        """Ask the network about the volume; a slice-wise one about every slice.

        Raises :class:`Cancelled` within one operator of the wish, and :class:`UserError` for a volume that does not
        suit the card.
        """
        context = context or RunContext()
        context.report(0.0, "Asking the model")
        preparation = Preparation(self.card.input, volume)
        return self._prediction(self.logits(preparation, context, batch_size), _invented(self.card, preparation))

    def logits(self, preparation: Preparation, context: RunContext, batch_size: int) -> NDArray[np.float64]:
        """(slices, classes) of a slice-wise network, (1, classes) of one that takes the volume whole.

        Raises :class:`UserError` when they are no numbers.
        """
        slices = self._slices(preparation.volume, None)
        raw: list[NDArray[np.float64]] = []
        # Inputs are made batch by batch: those of a whole CT together can need more memory than there is.
        starts = range(0, len(slices), max(batch_size, 1)) if self._slice_wise else range(1)
        for number, start in enumerate(starts):
            prepared = preparation.of(slices[start : start + max(batch_size, 1)], self.device)
            raw.append(run_network(self.network, prepared.inputs, context))
            context.report((number + 1) / len(starts), "Asking the model")
        together = np.concatenate(raw)
        with in_fold(self.fold):
            heads.check_head(self.card.output, together.shape[1])
            if not np.isfinite(together).all():
                raise UserError(
                    "The network's answer is not a number (NaN or infinite).",
                    "Check the intensity steps in model.toml, and whether the weights belong to the network.",
                )
        return heads.to_logits(together, self.card.output)

    def target(self, name: str | None, prediction: Prediction) -> ScoreTarget:
        """The score to explain: of class ``name``, else the card's target, else the predicted class.

        Raises :class:`UserError` when there is no such class.
        """
        classes = self.card.output.classes
        name = name if name is not None else self.card.explain.target or prediction.label
        if name not in classes:
            raise UserError(f"The model has no class '{name}'.", near_match(name, classes))
        index = classes.index(name)
        log_odds = self.card.output.activation == "none"
        if self.outputs == 1:
            return ScoreTarget(name, 0, -1.0 if len(classes) == 2 and index == 0 else 1.0, log_odds)
        return ScoreTarget(name, index, 1.0, log_odds)

    def baseline(self, prepared: Prepared, name: str | None = None) -> Tensor:
        """An input without evidence, shaped like ``prepared.inputs``: minimum, zero, blur or mean.

        Raises :class:`UserError` for another name.
        """
        return make_baseline(name or self.card.explain.baseline, prepared)

    def input_range(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """The smallest and the largest value that an input could hold, each (N, C, 1, ...).

        They are what the darkest and the brightest representable values become, in whichever order.
        """
        return value_range(prepared)

    def project(self, values: Tensor | NDArray[np.float32], prepared: Prepared) -> NDArray[np.float32]:
        """A map (N, 1 or C, *spatial) on the network's grid as (slice, row, column) on the volume's.

        Linear interpolation at exact coordinates, NaN where the network saw nothing; padding never lands in the image.
        """
        array = values if isinstance(values, np.ndarray) else values.detach().cpu().float().numpy()
        return project_map(array, prepared)

    def default_slices(self, volume: Volume, prediction: Prediction) -> tuple[int, ...]:
        """Key slices to explain: the deciding one with its neighbours at even distances, or an even spread.

        Empty for 3D networks, which are explained whole.
        """
        count = volume.geometry.shape[0]
        if not self._slice_wise:
            return ()
        if count <= _DEFAULT_SLICES:
            return tuple(range(count))
        if prediction.slice_index is None:
            return tuple(((2 * k + 1) * count) // (2 * _DEFAULT_SLICES) for k in range(_DEFAULT_SLICES))
        step = max(1, count // 32)
        half = _DEFAULT_SLICES // 2
        around = (prediction.slice_index + k * step for k in range(-half, half + 1))
        return tuple(index for index in around if 0 <= index < count)

    @property
    def _slice_wise(self) -> bool:
        return self.card.input.layout != "3d"

    def _slices(self, volume: Volume, wanted: Sequence[int] | None) -> tuple[int, ...]:
        count = volume.geometry.shape[0]
        if not self._slice_wise:
            return ()
        if wanted is None:
            return tuple(range(count))
        for index in wanted:
            if not 0 <= index < count:
                raise UserError(f"There is no slice {index}.", f"Slices are counted from 0 to {count - 1}.")
        return tuple(dict.fromkeys(int(index) for index in wanted))

    def _prediction(self, all_logits: NDArray[np.float64], warning: str) -> Prediction:
        spec, outputs = self.card.output, self.outputs
        on_volume = self._slice_wise and len(all_logits) > 1
        logits, index = heads.aggregate(all_logits, spec, outputs) if on_volume else (all_logits[0], None)
        probabilities = heads.to_probabilities(logits, spec, outputs)
        warnings = (*self.doubts, warning, heads.threshold_warning(probabilities, spec, outputs))
        return Prediction(
            classes=spec.classes,
            logits=logits,
            probabilities=probabilities,
            predicted=heads.predicted_class(probabilities, spec, outputs),
            aggregate=spec.aggregate if on_volume else "",
            slice_index=index,
            slice_logits=all_logits if on_volume else None,
            warnings=tuple(warning for warning in warnings if warning),
        )


def _invented(card: ModelCard, preparation: Preparation) -> str:
    """A warning when resampling makes up most of what the network sees, unless the card speaks of spacings itself."""
    factor = preparation.chain.finest
    if factor <= MOST_INVENTED or card.pixel_spacing or card.slice_spacing:
        return ""
    return (
        f"This model sees the image resampled {factor:.2g} times finer than it was taken along one axis: "
        "most of that was never measured, and its answer may mean nothing."
    )
