"""Mean, mean square and variance of a stream of random maps, gathered in constant memory, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """Each (N, C, *spatial) float32 or float64 as the inputs are.

    ``mean_error`` and so on are the standard errors of ``mean`` and so on at every position, None below two pairs.
    """

    mean: Tensor
    mean_square: Tensor
    variance: Tensor
    mean_error: Tensor | None
    mean_square_error: Tensor | None
    variance_error: Tensor | None
    mean_score: Tensor | None = None  # (N,): of f over the samples, where it was asked for

    def of(self, statistic: str) -> tuple[Tensor, Tensor | None]:
        """(map (N, C, *spatial), mean over its positions of its standard error (N,)) of one statistic.

        ``statistic``: mean, mean square or variance.
        """
        name = statistic.replace(" ", "_")
        error: Tensor | None = getattr(self, f"{name}_error")
        return getattr(self, name), average_error(error)


def average_error(error: Tensor | None) -> Tensor | None:
    """(N,): the mean over a map's positions of its standard error (N, C, *spatial)."""
    return None if error is None else error.flatten(1).mean(1)


class PairedMoments:
    """Running sums over antithetic pairs, whose own means are independent; an odd last sample stands alone.

    All memory is taken at the start, so that adding a sample cannot fail halfway. Sums are in double precision: the
    order in which chunks arrive then leaves no trace.
    """

    def __init__(self, like: Tensor, samples: int) -> None:
        self._dtype = like.dtype
        self._samples = samples
        self._pairs = samples // 2
        zeros = torch.zeros(like.shape, dtype=torch.float64, device=like.device)
        self._middles, self._middle_squares = zeros, zeros.clone()  # of the pair's mean m
        self._powers, self._power_squares = zeros.clone(), zeros.clone()  # of the pair's mean square q
        self._products = zeros.clone()  # of m q
        self._single = zeros.clone() if samples % 2 else None
        self._open, self._power = zeros[0].clone(), zeros[0].clone()

    def add(self, row: int, number: int, value: Tensor) -> None:
        """Take one sample's float64 map (C, *spatial); the samples of a row come in order."""
        if number == 2 * self._pairs and self._single is not None:
            self._single[row] = value
        elif number % 2 == 0:
            self._open.copy_(value)
        else:
            self._close(row, value)

    def _close(self, row: int, value: Tensor) -> None:
        power = torch.mul(self._open, self._open, out=self._power).addcmul_(value, value).div_(2)
        middle = self._open.add_(value).div_(2)
        self._middles[row] += middle
        self._middle_squares[row].addcmul_(middle, middle)
        self._powers[row] += power
        self._power_squares[row].addcmul_(power, power)
        self._products[row].addcmul_(middle, power)

    def moments(self, mean_score: Tensor | None = None) -> Moments:
        """What was gathered. The variance is corrected for the mean's own error."""
        total, squares = 2 * self._middles, 2 * self._powers
        if self._single is not None:
            total, squares = total + self._single, squares + self._single**2
        mean, mean_square = total / self._samples, squares / self._samples
        variance = mean_square - mean**2
        errors: tuple[Tensor, ...] = ()
        if self._pairs >= 2:
            middle = self._spread(self._middle_squares, self._middles, self._middles)
            power = self._spread(self._power_squares, self._powers, self._powers)
            both = self._spread(self._products, self._middles, self._powers)
            variance = variance + middle
            # Of q - 2 mean m, which is what each pair adds to the variance in first order.
            errors = (middle, power, power - 4 * mean * both + 4 * mean**2 * middle)
            if self._single is not None:
                errors = self._with_single(errors, mean, variance)
        roots: Sequence[Tensor | None] = [e.clamp(min=0).sqrt().to(self._dtype) for e in errors]
        if not errors:
            roots = (None, None, None)
        mean, mean_square, variance = (v.to(self._dtype) for v in (mean, mean_square, variance.clamp(min=0)))
        return Moments(mean, mean_square, variance, roots[0], roots[1], roots[2], mean_score)

    def _with_single(self, errors: Sequence[Tensor], mean: Tensor, variance: Tensor) -> tuple[Tensor, ...]:
        """Squared errors of pairs, together with the last sample's own: its noise has no partner to cancel it.

        One value says nothing of its own spread, so its mean and variance are the stream's, and it counts as normal.
        """
        singles = (variance, 4 * mean**2 * variance + 2 * variance**2, 2 * variance**2)
        share = 2 * self._pairs / self._samples
        return tuple(share**2 * e + s / self._samples**2 for e, s in zip(errors, singles, strict=True))

    def _spread(self, products: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Covariance of the means of two quantities over the pairs."""
        covariance = (products - first * second / self._pairs) / (self._pairs - 1)
        return covariance / self._pairs
