"""The table of subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from saliency_viewer.cli import batch, compare, demo_data, explain, info, measure, methods, model, train


@dataclass(frozen=True)
class Command:
    """A subcommand: its name, one sentence, its options, and what runs it and gives the exit status."""

    name: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = (
    Command("info", "Say what a file or folder holds.", info.add_options, info.run),
    Command("methods", "List every attribution method with its parameters.", methods.add_options, methods.run),
    Command("explain", "Explain a model's answer for one study.", explain.add_options, explain.run),
    Command("batch", "Explain many studies, one after the other.", batch.add_options, batch.run),
    Command("compare", "Compare models, side by side, on one study.", compare.add_options, compare.run),
    Command("measure", "Measure what regions hold of any map.", measure.add_options, measure.run),
    Command("train", "Train a classifier on a data set.", train.add_options, train.run),
    Command("model", "Make or check a model package.", model.add_options, model.run),
    Command("demo-data", "Write the built-in phantoms and their models.", demo_data.add_options, demo_data.run),
)
