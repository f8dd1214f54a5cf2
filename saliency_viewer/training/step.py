"""One step of the optimiser: forward, backward, and what can go wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from saliency_viewer.domain import TrainingSettings
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.memory import is_out_of_memory
from saliency_viewer.runtime.polling import polled

if TYPE_CHECKING:
    from torch import Tensor, nn

_AUXILIARY = 0.4  # weight of a second head's loss (Szegedy et al. 2016)
_CLIP = 1.0  # norm of the gradient: one bad batch at the highest rate must not undo an epoch

Say = Callable[[str], None]


class Stepper:
    """A network with its optimiser.

    Attributes
    ----------
    parts:
        Into how many pieces a batch is cut; doubled when the memory does not suffice. The gradient stays that of the
        whole batch, up to the statistics of batch normalisation.
    """

    def __init__(self, network: nn.Module, weights: Tensor, settings: TrainingSettings, device: str, say: Say) -> None:
        import torch

        self.network = network
        self.parts = 1
        self._device = device
        self._say = say
        self._weights = weights.to(device)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        halves = settings.mixed_precision and device.startswith("cuda")
        self._half = _half_type() if halves else None
        # Of the two halves only float16 has too few exponents for gradients.
        self.scaler = torch.amp.GradScaler("cuda", enabled=halves and self._half == torch.float16)

    def step(self, inputs: Tensor, labels: Tensor, rate: float, context: RunContext) -> float:
        """Change the weights by one batch; returns its mean loss.

        Raises :class:`UserError` when the loss is not a number or a single case does not fit into memory,
        :class:`Cancelled` before the weights change.
        """
        import torch

        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = None
        while loss is None:
            loss = self._tried(inputs, labels, context)
        if not math.isfinite(loss):
            raise not_a_number()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss

    def precision(self) -> AbstractContextManager[Any]:
        """Half precision where it is safe, on a GPU; else nothing."""
        import torch

        return nullcontext() if self._half is None else torch.autocast("cuda", dtype=self._half)

    def _tried(self, inputs: Tensor, labels: Tensor, context: RunContext) -> float | None:
        """The loss, with its gradient, or None when memory did not suffice and smaller pieces are to be tried."""
        import torch

        try:
            return self._gradient(inputs, labels, context)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._halve(len(labels), error)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "This network cannot be trained on single images: its normalisation compares those of a batch.",
                "Choose a batch of at least 2, a larger size, or another network.",
            ) from error
        # Only here has the error let go of the tensors that filled the memory.
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        return None

    def _gradient(self, inputs: Tensor, labels: Tensor, context: RunContext) -> float:
        """Gradients of the batch's weighted mean loss, added up over its pieces; returns that loss."""
        import torch

        self.optimiser.zero_grad(set_to_none=True)
        total = float(self._weights.cpu()[labels].sum())
        summed = 0.0
        for rows in _pieces(len(labels), self.parts):
            with polled(context):
                loss = self._loss(inputs[rows].to(self._device), labels[rows].to(self._device)) / total
                torch.autograd.backward(self.scaler.scale(loss))
            summed += float(loss.detach())
        return summed

    def _loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        import torch

        def entropy(logits: Tensor) -> Tensor:
            return torch.nn.functional.cross_entropy(logits.float(), labels, self._weights, reduction="sum")

        with self.precision():
            outputs = self.network(inputs)
        if isinstance(outputs, tuple):
            main, other = outputs
            return entropy(main) + _AUXILIARY * entropy(other)
        return entropy(outputs)

    def _halve(self, batch: int, error: Exception) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        if self.parts >= batch:
            raise UserError(
                "There is not enough memory to train this network on a single image.",
                "Choose a smaller size, a smaller network, or the device cpu.",
                type(error).__name__,
            ) from error
        self.parts = min(2 * self.parts, batch)
        self._say(
            f"Memory does not suffice for the batch: it is computed in {self.parts} parts from now on, "
            "whose gradients are added."
        )


def not_a_number() -> UserError:
    """The error for a loss that is NaN or infinite."""
    return UserError(
        "The loss is no longer a number (NaN or infinite), so the training stopped; the last epoch's state is kept.",
        "Try a learning rate ten times smaller, train without mixed precision, "
        "or start from weights that are not damaged.",
    )


def _pieces(count: int, parts: int) -> Iterator[slice]:
    each = -(-count // parts)
    return (slice(start, start + each) for start in range(0, count, each))


def _half_type() -> Any:
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
