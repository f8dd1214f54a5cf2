"""Contenders in turn (A B C A B C ...), and quartiles of what each round says."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from saliency_viewer.attribution import Result
from saliency_viewer.attribution.upsampling import upsample
from saliency_viewer.errors import UserError

# What libraries raise where a network or an installation does not suit them.
PEER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
Work = Callable[[], Any]


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Contender:
    """One way to do a row's work.

    ``build`` imports and prepares and returns the work, whose answer is a map. ``compare`` names our array that the
    map should equal: ``signed``, ``values``, ``layer-relu``, ``upsampled-relu`` (the ReLU before upsampling, as other
    libraries have it; ours comes after it) or None. ``scaled`` maps are compared after scaling to 0..1; ``only_rank``
    where chance makes values differ. ``why`` says what is wrong with a peer.
    """

    name: str
    build: Callable[[], Work]
    kind: Literal["ours", "peer", "reference"] = "peer"
    compare: str | None = None
    scaled: bool = False
    only_rank: bool = False
    why: str = ""


@dataclass(frozen=True)
class Target:
    """``top`` / ``bottom`` (contenders' names) is at most, or at least, ``bound``, in time or in memory.

    With ``quantity`` rank or difference, ``top`` is compared with our first contender's map.
    """

    top: str
    bottom: str
    bound: float
    at_most: bool
    quantity: Literal["time", "memory", "rank", "difference"] = "time"

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        if self.quantity in ("rank", "difference"):
            return f"{self.quantity} of {self.top} {sign} {self.bound:g}"
        return f"{self.quantity} of {self.top} / {self.bottom} {sign} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether ``value`` keeps the promise."""
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass(frozen=True)
class Row:
    """Contenders (ours first) for one piece of work; ``memory`` names those whose peak is measured."""

    id: str
    title: str
    weights: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
    memory: Sequence[str] = ()
    rounds: int = 5
    device: str = "cpu"
    notes: Sequence[str] = ()


@dataclass
class Outcome:
    """What became of a row; all that the report needs, as plain values."""

    id: str
    title: str
    weights: str
    rounds: int = 0
    skipped: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)


def interleaved(
    works: Mapping[str, Work], rounds: int, device: torch.device, warm: bool = True
) -> dict[str, list[float]]:
    """Seconds of each work in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-1 if warm else 0, rounds):
        for name, work in works.items():
            gc.collect()
            synchronise(device)
            begin = time.perf_counter()
            work()
            synchronise(device)
            if number >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def synchronise(device: torch.device) -> None:
    """Wait until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def quartiles(values: Sequence[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [float(value) for value in np.percentile(values, (25, 50, 75))]


def run_row(row: Row, memory: Mapping[str, float]) -> Outcome:
    """Warm up, compare the maps, time in turn, judge the targets."""
    outcome = Outcome(row.id, row.title, row.weights, row.rounds, notes=list(row.notes), memory=dict(memory))
    works: dict[str, Work] = {}
    reference: Any = None
    for contender in row.contenders:
        say(f"{row.id}: warm-up of {contender.name}")
        try:
            work = contender.build()
            begin = time.perf_counter()
            answer = work()
        except (UserError, *PEER_ERRORS) as error:
            outcome.remarks[contender.name] = f"skipped: {reason(error)}"
            if contender.kind == "ours" and reference is None:  # nothing to compare the others with
                outcome.skipped = reason(error)
                return outcome
            continue
        outcome.first[contender.name] = time.perf_counter() - begin
        works[contender.name] = work
        outcome.kinds[contender.name] = contender.kind
        if contender.why:
            outcome.remarks[contender.name] = contender.why
        if reference is None and contender.kind == "ours":
            reference = answer
        elif contender.compare is not None and isinstance(reference, Result):
            outcome.agreement[contender.name] = agreement(contender, reference, answer)
    say(f"{row.id}: {row.rounds} rounds of {len(works)} contenders")
    outcome.seconds = interleaved(works, row.rounds, torch.device(row.device), warm=False)
    _judge(row, outcome)
    return outcome


def reason(error: BaseException) -> str:
    """An error in one line."""
    text = str(error).strip().splitlines()
    first = text[0][:160] if text else ""
    return first if isinstance(error, UserError) else f"{type(error).__name__}: {first}"


def agreement(contender: Contender, ours: Result, theirs: Any) -> dict[str, float]:
    """Rank correlation, and largest difference relative to our largest value."""
    from scipy.stats import spearmanr

    layer = ours.layer_values if ours.layer_values is not None else ours.values
    positive = layer.clamp(min=0)
    arrays = {"signed": ours.signed, "values": ours.values, "layer-relu": positive}
    if ours.layer_values is not None:
        arrays["upsampled-relu"] = upsample(positive[:, None], ours.signed.shape[2:])
    given = theirs.values if isinstance(theirs, Result) else torch.as_tensor(theirs).detach().cpu()
    chosen = arrays[contender.compare or "signed"]
    same = chosen.numel() == given.numel()
    if not same:  # one of the two has a value for each channel: only the order of places can be compared
        chosen, given = (one.reshape(-1, *layer.shape[-(ours.signed.ndim - 2) :]).sum(0) for one in (chosen, given))
    mine, other = _flat(chosen, contender.scaled), _flat(given, contender.scaled)
    constant = float(mine.max()) == float(mine.min()) or float(other.max()) == float(other.min())
    found = {"rank": float("nan") if constant else float(spearmanr(mine, other).statistic)}
    if same and not contender.only_rank:
        largest = float(np.abs(mine).max())
        if largest:
            found["difference"] = float(np.abs(mine - other).max()) / largest
    return found


def _flat(values: Tensor, scaled: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    flat = values.double().flatten()
    if scaled:
        flat = (flat - flat.min()) / (flat.max() - flat.min()).clamp(min=1e-30)
    return flat.numpy()


def _judge(row: Row, outcome: Outcome) -> None:
    ours = next((c.name for c in row.contenders if c.kind == "ours" and c.name in outcome.seconds), None)
    for name, kind in outcome.kinds.items():
        if ours is not None and name != ours:
            top, bottom = (ours, name) if kind == "reference" else (name, ours)
            outcome.ratios[name] = _ratio(outcome, top, bottom)
    for target in row.targets:
        verdict: dict[str, Any] = {"target": str(target), **asdict(target), "quartiles": None, "met": None}
        found = _measured(target, outcome)
        if found is not None:
            verdict |= {"quartiles": found, "met": target.met(found[1])}
        outcome.verdicts.append(verdict)


def _ratio(outcome: Outcome, top: str, bottom: str) -> list[float]:
    pairs = zip(outcome.seconds[top], outcome.seconds[bottom], strict=True)
    return quartiles([above / below for above, below in pairs])


def _measured(target: Target, outcome: Outcome) -> list[float] | None:
    if target.quantity == "time":
        if target.top not in outcome.seconds or target.bottom not in outcome.seconds:
            return None
        return _ratio(outcome, target.top, target.bottom)
    if target.quantity == "memory":
        if not outcome.memory.get(target.top) or not outcome.memory.get(target.bottom):
            return None
        return [outcome.memory[target.top] / outcome.memory[target.bottom]] * 3
    value = outcome.agreement.get(target.top, {}).get(target.quantity)
    return None if value is None else [value] * 3
