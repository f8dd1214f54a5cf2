"""Tables on stdout, JSON and a plot in a folder."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.attribution.timing import Outcome, quartiles

_LIBRARIES = ("torch", "torchvision", "captum", "zennit", "grad-cam", "torchcam", "saliency", "monai", "numpy")


def environment(device: str, quick: bool) -> dict[str, Any]:
    """What figures depend on; no name of a machine."""
    found: dict[str, Any] = {"threads": torch.get_num_threads(), "device": device, "quick": quick}
    found["processor"] = _processor()
    if device == "cuda":
        found["card"] = torch.cuda.get_device_name()
    found["python"] = platform.python_version()
    found["versions"] = {name: version for name in _LIBRARIES if (version := _version(name))}
    return found


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def row_lines(outcome: Outcome) -> list[str]:
    """A row's table: contenders with seconds, ratio, agreement and memory; then what was promised."""
    lines = [f"\n### {outcome.id}: {outcome.title} (weights: {outcome.weights})"]
    if outcome.skipped:
        return [*lines, f"skipped: {outcome.skipped}"]
    lines += [f"note: {note}" for note in outcome.notes]
    lines.append(
        "| contender | median s | quartiles | first call s | ratio [quartiles] | agreement | memory MiB | remark |"
    )
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, values in outcome.seconds.items():
        low, middle, high = quartiles(values)
        cells = [name, _figure(middle), f"{_figure(low)}..{_figure(high)}", _figure(outcome.first[name])]
        cells += [_ratio(outcome, name), _agreement(outcome.agreement.get(name, {}))]
        cells += [_memory(outcome.memory.get(name)), outcome.remarks.get(name, "")]
        lines.append("| " + " | ".join(cells) + " |")
    absent = {name: text for name, text in outcome.remarks.items() if name not in outcome.seconds}
    lines += [f"| {name} | | | | | | | {text} |" for name, text in absent.items()]
    return lines + [f"* {verdict_line(verdict)}" for verdict in outcome.verdicts]


def _ratio(outcome: Outcome, name: str) -> str:
    if name not in outcome.ratios:
        return ""
    low, middle, high = outcome.ratios[name]
    words = "ours / this" if outcome.kinds[name] == "reference" else "this / ours"
    return f"{words} {middle:.2f} [{low:.2f}, {high:.2f}]"


def _agreement(found: Mapping[str, float]) -> str:
    parts = [f"rank {found['rank']:.4f}"] if "rank" in found else []
    return ", ".join(parts + ([f"diff {found['difference']:.1e}"] if "difference" in found else []))


def _memory(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:.0f}"


def _figure(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def verdict_line(verdict: Mapping[str, Any]) -> str:
    """A promise and what became of it."""
    if verdict["met"] is None:
        return f"{verdict['target']}: not measured"
    low, middle, high = verdict["quartiles"]
    return f"{verdict['target']}: {middle:.3g} [{low:.3g}, {high:.3g}], {'met' if verdict['met'] else 'MISSED'}"


def section_lines(name: str, found: Any) -> list[str]:
    """A section that is not a row: nested values, one leaf group a line."""
    lines = [f"\n### {name}"]
    entries = found if isinstance(found, list) else [{"of": key, **_wrapped(value)} for key, value in found.items()]
    for entry in entries:
        lines.append("* " + ", ".join(f"{key}: {_plain(value)}" for key, value in entry.items() if key != "all_ms"))
    return lines


def _wrapped(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) + "}"
    return str(value)


def summary_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Every promise of every row in one table."""
    lines = ["\n### promises", "| row | promise | measured [quartiles] | met |", "|---|---|---|---|"]
    for outcome in outcomes:
        if outcome.skipped:
            lines.append(f"| {outcome.id} | | skipped: {outcome.skipped} | |")
        for verdict in outcome.verdicts:
            measured = "not measured"
            if verdict["met"] is not None:
                low, middle, high = verdict["quartiles"]
                measured = f"{middle:.3g} [{low:.3g}, {high:.3g}]"
            met = {None: "", True: "met", False: "MISSED"}[verdict["met"]]
            lines.append(f"| {outcome.id} | {verdict['target']} | {measured} | {met} |")
    return lines


def write(folder: Path, about: Mapping[str, Any], outcomes: Sequence[Outcome], sections: Mapping[str, Any]) -> None:
    """``attribution.json`` with everything, ``attribution.png`` with the ratios."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"environment": about, "rows": [asdict(outcome) for outcome in outcomes], "sections": sections}
    (folder / "attribution.json").write_text(json.dumps(content, indent=1) + "\n")
    if any(outcome.ratios for outcome in outcomes):
        _plot(folder / "attribution.png", about, [outcome for outcome in outcomes if outcome.ratios])


def _plot(path: Path, about: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Left: how many times longer peers take. Right: how many times longer than the reference ours takes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sides = {
        "peer": "their time / our time (right of 1: ours is faster)",
        "reference": "our time / reference (1: nothing added)",
    }
    bars = {kind: _bars(outcomes, kind) for kind in sides}
    height = 1.5 + 0.24 * max(map(len, bars.values()))
    figure, axes = plt.subplots(1, 2, figsize=(18, height), layout="constrained")
    for axis, (kind, label) in zip(axes, sides.items(), strict=True):
        _draw(axis, bars[kind], label)
    quick = ", quick run: figures mean little" if about["quick"] else ""
    figure.suptitle(
        f"Medians and quartiles of interleaved rounds, {about['threads']} threads, {about['device']}{quick}"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


@dataclass(frozen=True)
class _Bar:
    """One ratio: its name, quartiles, the row it belongs to, and the promised bound if there is one."""

    name: str
    quartiles: list[float]
    row: int
    bound: float | None


def _bars(outcomes: Sequence[Outcome], kind: str) -> list[_Bar]:
    found = []
    for number, outcome in enumerate(outcomes):
        promised = {
            v["bottom" if kind == "reference" else "top"]: v for v in outcome.verdicts if v["quantity"] == "time"
        }
        for name, values in outcome.ratios.items():
            if outcome.kinds[name] == kind:
                bound = promised[name]["bound"] if name in promised else None
                found.append(_Bar(f"{outcome.id} · {name}", values, number, bound))
    return found


def _draw(axis: Any, bars: Sequence[_Bar], label: str) -> None:
    places = list(range(len(bars)))
    lows, middles, highs = ([bar.quartiles[k] for bar in bars] for k in range(3))
    whiskers = [[m - low for m, low in zip(middles, lows, strict=True)]]
    whiskers.append([high - m for m, high in zip(middles, highs, strict=True)])
    colours = ["#4477aa" if bar.row % 2 else "#88aacc" for bar in bars]
    axis.set_xscale("log")
    axis.barh(places, [middle - 1 for middle in middles], left=1, color=colours)
    axis.errorbar(middles, places, xerr=whiskers, fmt=".", color="#222222", capsize=2, markersize=3)
    promised = [(bar.bound, place) for place, bar in enumerate(bars) if bar.bound is not None]
    if promised:
        axis.plot(*zip(*promised, strict=True), "|", color="#cc3311", markersize=9, label="promised")
        axis.legend(loc="upper right", fontsize=8)
    axis.set_yticks(places, [bar.name for bar in bars], fontsize=7)
    axis.axvline(1, color="#222222", linewidth=1)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.tick_params(axis="x", which="both", labelsize=7)
    axis.set_xlabel(label)
    axis.margins(y=0.01)
    axis.invert_yaxis()
