"""One form of one architecture: loaded, asked, and explained by every method."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.agreement import FEW
from benchmarks.forms.subjects import Form, Subject
from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package

_FEWER = {**FEW, "ablation-cam": {}, "rise": {"samples": 8}, "guided-ig": {"steps": 8}}


@dataclass
class Row:
    """What one package gave.

    ``reasons`` has a method's reason for giving no map; ``differences`` its largest difference from the eager
    network's map, relative to that map's largest value.
    """

    form: str
    subject: str
    difference_of_answer: float | None = None
    badges: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    fault: str = ""


def measured(form: Form, subject: Subject, folder: Path) -> Row | None:
    """The row, None where this form is not made of this architecture."""
    row, subject = Row(form.title, subject.title), form.subject(subject)
    try:
        original = form.write(folder, subject)
    except torch.onnx.OnnxExporterError as error:
        row.fault = f"The exporter itself refuses this network for images of this size: {_sentence(error)}"
        return row
    if original is None:
        return None
    try:
        classifier = load_package(folder, trust_code=True)  # of the file that was just written
    except UserError as error:
        row.fault = str(error)
        return row
    torch.manual_seed(1)
    inputs = torch.rand(1, *subject.shape)
    with torch.no_grad():
        wanted, given = original(inputs), classifier.network(inputs)
    row.difference_of_answer = float((wanted - given).abs().max() / wanted.abs().max())
    found = _explained(classifier.network, inputs, row)
    # A library's own network is what the package built anew: only programs are another object.
    if isinstance(original, nn.Module) and ":" not in form.title:
        _compare(found, original, inputs, row)
    return row


def _sentence(error: Exception) -> str:
    return str(error).splitlines()[0].partition(". ")[0].removeprefix("Unsupported: ")


def _explained(network: nn.Module, inputs: Tensor, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method in METHODS:
        try:
            result = _run(network, inputs, method.id)
        except UserError as error:
            row.reasons[method.id] = f"{error.message} {error.hint}".strip()
            continue
        row.badges[method.id] = result.validity.badge
        found[method.id] = result
    return found


def _run(network: nn.Module, inputs: Tensor, method: str, layer: str | None = None) -> Any:
    parameters = {method: _FEWER[method]} if method in _FEWER else {}
    return explain(network, inputs, methods=[method], target=1, layer=layer, parameters=parameters)[method]


def _compare(found: dict[str, Any], original: nn.Module, inputs: Tensor, row: Row) -> None:
    for name, result in found.items():
        try:
            own = _run(original, inputs, name, None if result.layer is None else _same_layer(original, result.layer))
        except UserError:
            continue
        size = float(own.signed.abs().max())
        row.differences[name] = float((own.signed - result.signed).abs().max()) / size if size else 0.0


def _same_layer(original: nn.Module, layer: str) -> str | None:
    """The layer of the same name, None where the form has names of its own: the found one is the same place."""
    return layer if layer in dict(original.named_modules()) else None
