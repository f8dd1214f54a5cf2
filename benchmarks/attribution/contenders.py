"""Ours, and the bare passes that ours is measured against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.attribution.subjects import Subject, bare_pass, repeated
from benchmarks.attribution.timing import Contender, Work
from saliency_viewer.attribution import explain


def ours(
    subject: Subject,
    method: str,
    parameters: Mapping[str, Any] | None = None,
    name: str = "ours",
    compare: str | None = None,
    **arguments: Any,
) -> Contender:
    """One of our methods on the network as a user has it."""

    def build() -> Work:
        given = {method: dict(parameters)} if parameters else None

        def run() -> Any:
            return explain(subject.network, subject.inputs, [method], subject.target, parameters=given, **arguments)[
                method
            ]

        return run

    return Contender(name, build, "ours", compare)


def together(subject: Subject, methods: tuple[str, ...]) -> Contender:
    """Several of our methods in one call."""

    def build() -> Work:
        return lambda: explain(subject.network, subject.inputs, methods, subject.target)

    return Contender("ours", build, "ours")


def forward(subject: Subject) -> Contender:
    """One forward pass of the unmodified network without gradients."""

    def build() -> Work:
        network, x = subject.frozen, subject.inputs

        def run() -> Tensor:
            with torch.no_grad():
                return network(x)

        return run

    return Contender("one forward", build, "reference")


def forward_backward(subject: Subject) -> Contender:
    """One forward and backward pass of the unmodified network to its input, parameters frozen."""

    def build() -> Work:
        network, x, target = subject.frozen, subject.inputs, subject.target

        def run() -> Tensor:
            leaf = x.detach().requires_grad_()
            return torch.autograd.grad(network(leaf)[:, target].sum(), leaf)[0]

        return run

    return Contender("one forward + backward", build, "reference")


def limit(subject: Subject, passes: Callable[[], int] | int, gradient: bool) -> Contender:
    """The bare passes that the method needs, on the tuned network at its best batch size, and nothing else."""

    def build() -> Work:
        network, x = subject.tuned
        size = subject.batch if gradient else subject.forward_batch
        count = passes if isinstance(passes, int) else passes()
        many = repeated(x, min(size, count))
        full = bare_pass(network, many, subject.target, gradient)
        rest = bare_pass(network, many[: count % len(many)], subject.target, gradient) if count % len(many) else None

        def run() -> None:
            for _ in range(count // len(many)):
                full()
            if rest is not None:
                rest()

        return run

    return Contender("limit", build, "reference")


def variants(
    subject: Subject, name: str, make: Callable[[nn.Module, Tensor], Work], tuned: bool = True, **more: Any
) -> list[Contender]:
    """A peer on the network as a user has it, and on the tuned one: what is the method's, and what is tuning's."""
    found = [Contender(name, lambda: make(subject.network, subject.inputs), **more)]
    if tuned:
        found.append(Contender(f"{name}, tuned", lambda: make(*subject.tuned), **more))
    return found
