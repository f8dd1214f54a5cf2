"""A training in a process beside the window: what is asked of it, and what it has said so far."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from PySide6.QtCore import QObject, Signal

from saliency_viewer.domain import EpochFigures, TrainingPlan, TrainingSettings, parameter_specs
from saliency_viewer.gui.command import NOT_STARTED, OwnCommand

Phase = Literal["idle", "running", "stopping", "done", "checked", "stopped", "failed"]
Task = Literal["train", "anew", "resume", "check"]
_EPOCH, _REPORT = "epoch", "report"
_COMPLAINT = "saliency-viewer: "  # how the command line begins the sentence that it ends with
_CERTAIN = 0.02  # below this share done in this run, a remaining time would be a guess
_INTERRUPTED = (130, 143)  # by Ctrl-C, and when asked to end
_LOST = (
    "The training ended unexpectedly; perhaps the computer's memory was full. "
    "Resume goes on from the last epoch; a smaller batch or size needs less memory."
)
_NEVER_RAN = "The training could not be started. Run saliency-viewer --self-test."
_FAULT = "The training failed; the log below says how far it came."


@dataclass(frozen=True)
class TrainingRun:
    """What is known of the last training: ``seconds_left`` None while unknown, ``error`` a sentence for the user."""

    phase: Phase = "idle"
    task: Task = "train"
    plan: TrainingPlan | None = None
    fraction: float = 0.0
    words: str = ""
    seconds_left: float | None = None
    epochs: tuple[EpochFigures, ...] = ()
    report: str = ""
    error: str = ""

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        return self.phase in ("running", "stopping")


class Training(QObject):
    """Runs `train` and keeps what it says; pages come and go, the run stays.

    ``unseen`` says that something ended while nobody looked (see :meth:`look`).
    """

    changed = Signal()
    epochs_changed = Signal()
    told = Signal(str)  # a line for the log

    def __init__(
        self,
        parent: QObject | None,
        program: tuple[str, ...] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self.run = TrainingRun()
        self.unseen = False
        self._looked_at = False
        self._clock = clock
        self._first: tuple[float, float] | None = None  # when the run first said how far it is, and how far it was
        self._complaint = ""
        self.command = OwnCommand(self, (_EPOCH, _REPORT), program)
        self.command.progressed.connect(self._progress)
        self.command.marked.connect(self._marked)
        self.command.told.connect(self._take)
        self.command.ended.connect(self._ended)

    def start(self, plan: TrainingPlan, task: Task = "train") -> None:
        """Train, go on with a training, or check the data only. Nothing happens while one runs."""
        if self.run.running:
            return
        goes_on = task == "resume" and self.run.plan is not None and self.run.plan.out == plan.out
        epochs = self.run.epochs if goes_on or task == "check" else ()
        self.run = TrainingRun("running", task, plan, words="Getting ready", epochs=epochs)
        self._first, self._complaint, self.unseen = None, "", False
        self.epochs_changed.emit()
        self.changed.emit()
        self.command.start(arguments(plan, task))

    def stop(self) -> None:
        """Ask it to stop; its checkpoint is kept."""
        if self.run.phase == "running":
            self._set(phase="stopping", words="Stopping", seconds_left=None)
            self.command.stop()

    def end_now(self) -> None:
        """The program closes."""
        if self.run.running:
            self._set(phase="stopping", words="Stopping", seconds_left=None)
            self.command.end_now()

    def look(self, on: bool) -> None:
        """Somebody looks at the page, or no longer does."""
        self._looked_at = on
        if on and self.unseen:
            self.unseen = False
            self.changed.emit()

    def _set(self, **changes: object) -> None:
        self.run = replace(self.run, **changes)  # type: ignore[arg-type]
        self.changed.emit()

    def _progress(self, fraction: float, words: str) -> None:
        if self.run.phase != "running":
            return
        now = self._clock()
        if self._first is None:
            self._first = (now, fraction)
        since, start = self._first
        done = fraction - start
        left = (now - since) / done * (1.0 - fraction) if done > _CERTAIN else None
        self._set(fraction=fraction, words=words, seconds_left=left)

    def _marked(self, mark: str, rest: str) -> None:
        if mark == _REPORT:
            self._set(report=rest)
            return
        try:
            figures = EpochFigures(**json.loads(rest))
        except (TypeError, ValueError):
            self.told.emit(f"{mark} {rest}")  # said all the same: a line of the log is better than none
            return
        # A resumed run may say again what an earlier one said.
        before = tuple(one for one in self.run.epochs if one.epoch < figures.epoch)
        self.run = replace(self.run, epochs=(*before, figures))
        self.epochs_changed.emit()

    def _take(self, line: str) -> None:
        if line.startswith(_COMPLAINT):
            self._complaint = line.removeprefix(_COMPLAINT)
        self.told.emit(line)

    def _ended(self, status: int) -> None:
        self.unseen = not self._looked_at
        if status == 0:
            phase: Phase = "checked" if self.run.task == "check" else "done"
            self._set(phase=phase, fraction=1.0, words="", seconds_left=None)
        elif self.run.phase == "stopping" or status in _INTERRUPTED:
            self._set(phase="stopped", words="", seconds_left=None)
        else:
            self._set(phase="failed", error=self._why(status), words="", seconds_left=None)

    def _why(self, status: int) -> str:
        if status == NOT_STARTED:
            return _NEVER_RAN
        if self._complaint:
            return self._complaint
        return _LOST if status < 0 else _FAULT


def arguments(plan: TrainingPlan, task: Task = "train") -> list[str]:
    """The command line's arguments for ``plan``; settings stand there where they differ from their defaults."""
    found = ["train", "--dataset", plan.dataset, f"--root={plan.root}", "--architecture", plan.architecture]
    found += [f"--out={plan.out}", "--device", plan.device, "--threads", str(plan.threads)]
    if plan.limit:
        found += ["--limit", str(plan.limit)]
    for role, column in plan.columns.items():
        found += ["--column", f"{role}={column}"]
    for spec in parameter_specs(TrainingSettings):
        value = getattr(plan.settings, spec.name)
        if value != spec.default:
            found += [f"--{spec.name.replace('_', '-')}", _written(value)]
    found += {"train": [], "anew": ["--anew"], "resume": ["--resume"], "check": ["--check"]}[task]
    return [*found, "--progress-lines"]


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def best_epoch(epochs: tuple[EpochFigures, ...]) -> EpochFigures | None:
    """The epoch whose weights are kept: the last one that was the best so far."""
    return next((one for one in reversed(epochs) if one.best), None)
