"""Work for a compute process that needs no network. Imported by the spawned process too."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from saliency_viewer.errors import UserError


def nothing_to_import() -> None:
    pass


def cannot_import() -> None:
    raise ImportError("a library is broken")


def act(plan: Any, services: Any, context: Any) -> Any:
    """Do what the plan's model says."""
    return ACTS[plan.model](plan, context)


def _arrays(plan: Any, context: Any) -> Any:
    rng = np.random.default_rng(plan.seed)
    context.report(0.5, "half way")
    context.report(1.0, "there")
    return {"volume": rng.normal(size=(7, 64, 65)), "mask": rng.random((3, 5)) > 0.5, "empty": np.zeros((0, 3))}


def _facts(plan: Any, context: Any) -> Any:
    return {"pid": os.getpid(), "nice": os.nice(0), "openmp": os.environ.get("OMP_WAIT_POLICY")}


def _obedient(plan: Any, context: Any) -> Any:
    while True:
        context.report(0.1, "working")
        time.sleep(0.005)


def _stubborn(plan: Any, context: Any) -> Any:
    context.report(0.1, "not listening")
    while True:
        time.sleep(0.01)


def _user_error(plan: Any, context: Any) -> Any:
    raise UserError("what happened", "what to do", "detail")


def _defect(plan: Any, context: Any) -> Any:
    raise ZeroDivisionError(f"could not open {plan.image.path}")


def _suicide(plan: Any, context: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _crash(plan: Any, context: Any) -> Any:
    os._exit(3)


def _ignore_interrupt(plan: Any, context: Any) -> Any:
    os.kill(os.getpid(), signal.SIGINT)
    return "alive"


ACTS = {
    "arrays": _arrays,
    "facts": _facts,
    "obedient": _obedient,
    "stubborn": _stubborn,
    "user error": _user_error,
    "defect": _defect,
    "suicide": _suicide,
    "crash": _crash,
    "interrupt": _ignore_interrupt,
}
