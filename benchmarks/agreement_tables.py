"""The results of ``benchmarks/agreement.py`` as one page: agreement and validity, a column for each network.

``python -m benchmarks.agreement_tables RESULT.md [RESULT.md ...] > docs/agreement.md``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

_HEAD = """# Agreement and validity

Made by `python -m benchmarks.agreement --network NAME --markdown RESULT.md` for each network and
`python -m benchmarks.agreement_tables RESULT.md ... > docs/agreement.md`. The networks come unmodified from torchvision
and MONAI, with random weights and batch statistics that fit them. That is harder than trained ones: their scores are
small sums of large contributions, and their rectifiers work near zero.

## Agreement

The largest difference from the peer's map, as a part of the map's largest value. A letter says why the peer is no
measure there. Methods without a row have no peer for these networks; tests hold them to closed forms and slow loops.
"""
_VALIDITY = """
## Validity

What the badge says: `v` verified, `a` approximate, `-` not defined for the network. With it the residual of additive
methods, the Monte-Carlo error (±) of stochastic ones, or the activations that were reached. Streams have 4 samples and
4 nodes here, to be quick, where the defaults have 25 and 50: their errors are those of a bad case.
"""
_REASONS = {
    "grad-cam adds": "grad-cam adds 1e-6 to a smaller number in the denominator of Grad-CAM++",
    "own sum misses": "captum's contributions do not add up to f(x) - f(x0): by 1 to 8,501 %, ours by less than 0.05 %",
    "last patches": "captum cuts the last patches at the border, ours move inside",
    "captum misses": "captum does not see functional rectifiers",
    "captum knows": "captum takes ReLU6 for no rectifier and gives the plain gradient, unmarked",
    "captum gives": "captum gives the plain gradient, unmarked; ours is not defined for SiLU",
    "no module": "no module gives this layer (functional ReLU), so that the peer cannot be given it",
    "zennit has": "zennit has no canonizer for this network",
}
Rows = dict[str, dict[str, tuple[str, str, str]]]  # method, network: (badge, peer, difference)


def _rows(paths: list[Path]) -> Rows:
    found: Rows = {}
    for path in paths:
        for line in path.read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and cells[0] != "network":
                found.setdefault(cells[1], {})[cells[0]] = (cells[2], cells[3], cells[4])
    return found


def _difference(cell: tuple[str, str, str]) -> str:
    text = cell[2]
    for letter, sign in zip("abcdefgh", _REASONS, strict=True):
        if sign in text:
            return letter
    return text


def _validity(cell: tuple[str, str, str]) -> str:
    badge = cell[0]
    if badge.startswith("not defined"):
        return "-"
    numbers = re.findall(r"(residual|error) (\d+\.\d)%", badge)
    counts = re.search(r"(\d+) of (\d+) activations", badge)
    said = [f"{'± ' * (kind == 'error')}{_percent(float(value))}" for kind, value in numbers]
    said += [f"{counts[1]} / {counts[2]}"] if counts else []
    return " ".join([badge[0], *said])


def _percent(value: float) -> str:
    return f"{value:.2g} %" if value < 99.5 else "> 99 %"


def _table(rows: Rows, cell: Callable[[tuple[str, str, str]], str], peer: bool) -> list[str]:
    networks = list(dict.fromkeys(network for columns in rows.values() for network in columns))
    head = ["method", *["peer"] * peer, *networks]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for method, columns in rows.items():
        names = [method, *[next(iter(columns.values()))[1]] * peer]
        lines.append(f"| {' | '.join([*names, *[cell(columns[network]) for network in networks]])} |")
    return lines


def main(paths: list[Path]) -> None:
    """Print the page."""
    rows = _rows(paths)
    compared = {m: columns for m, columns in rows.items() if any(cell[2] for cell in columns.values())}
    reasons = [f"* {letter}: {reason}" for letter, reason in zip("abcdefgh", _REASONS.values(), strict=True)]
    print(_HEAD, *_table(compared, _difference, peer=True), "", *reasons, sep="\n")
    print(_VALIDITY, *_table(rows, _validity, peer=False), sep="\n")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
