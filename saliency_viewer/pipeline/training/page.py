"""A training's report as one HTML page that carries its figures along."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from saliency_viewer.domain import RESEARCH_NOTICE, TrainingSettings, parameter_specs
from saliency_viewer.pipeline.training.ground import SPLITS
from saliency_viewer.training.datasets import summary

if TYPE_CHECKING:
    from saliency_viewer.pipeline.training.report import Made
    from saliency_viewer.training.judgement import Verdict

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1C2430;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;margin:.6rem 0}"
    "td,th{padding:.2rem .9rem .2rem 0;text-align:left;border-bottom:1px solid #E3E7EC}"
    ".notice{color:#8A6100}.figures{display:flex;flex-wrap:wrap;gap:1rem}.figures img{max-width:100%}"
)
_STATISTICS = {
    "pointing_hit": "highest value lies inside (pointing game)",
    "mass_fraction": "share of the positive evidence inside",
    "enrichment": "that share over the share of the area",
    "average_precision": "average precision",
}
_FIGURES = {
    "roc": "ROC curve",
    "calibration": "Calibration curve",
    "confusion": "Confusion matrix",
    "curves": "Loss and AUC of every epoch",
}


def page_html(made: Made, pictures: Mapping[str, NDArray[np.uint8]]) -> str:
    """The page; texts from outside are escaped."""
    title = f"{made.card.name} {made.card.version}"
    judgement = made.judgement
    verdicts = [("validation", judgement.validation), *([("test", judgement.test)] if judgement.test else [])]
    parts = [
        f"<h1>{escape(title)}</h1><p class='notice'>{escape(RESEARCH_NOTICE)}</p><p>{escape(headline(made))}</p>",
        "<h2>Figures</h2>",
        _table(
            ("split", "class", "AUC", "95 % interval", "sensitivity", "specificity"),
            [row for name, verdict in verdicts for row in _class_rows(name, verdict)],
        ),
        _table(
            ("split", "accuracy", "Brier score", "calibration error", "log loss"),
            [_split_row(name, verdict) for name, verdict in verdicts],
        ),
        "<div class='figures'>",
        *(_image(_FIGURES[name], pixels) for name, pixels in pictures.items()),
        "</div>",
        *_temperature(made),
        *_localisation(made),
        "<h2>Data</h2>",
        _table(("split", "images"), _data(made)),
        "".join(f"<p>{escape(warning)}</p>" for warning in made.ground.warnings),
        "<h2>Settings</h2>",
        _table(("setting", "value"), _settings(made)),
    ]
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def headline(made: Made) -> str:
    """What came out, in one or two sentences."""
    judgement, kept = made.judgement, made.kept
    judged = judgement.judged
    low, high = judged.intervals[0]
    between = f" (95 % interval {low:.3f} to {high:.3f})" if len(judged.scored) == 1 and math.isfinite(low) else ""
    where = "test" if judgement.test else "validation"
    said = (
        f"{made.ground.network.label}, weights of epoch {kept.epoch} of {len(made.history)}: AUC "
        f"{_number(judged.area)}{between} on {len(judged.labels)} {where} images of {judged.patients} patients."
    )
    if judgement.threshold is None:
        return said
    k = judged.scored[0]
    return (
        f"{said} From a probability of {judgement.threshold:.3f} on it says {judged.classes[k]}: sensitivity "
        f"{_number(judged.sensitivity(k))}, specificity {_number(judged.specificity(k))}."
    )


def _class_rows(name: str, verdict: Verdict) -> Iterable[Sequence[str]]:
    for k, area, (low, high) in zip(verdict.scored, verdict.areas, verdict.intervals, strict=True):
        between = f"{low:.3f} to {high:.3f}" if math.isfinite(low) else ""
        shares = (_number(verdict.sensitivity(k)), _number(verdict.specificity(k)))
        yield name, verdict.classes[k], _number(area), between, *shares


def _split_row(name: str, verdict: Verdict) -> Sequence[str]:
    numbers = (verdict.accuracy, verdict.brier, verdict.calibration_error, verdict.log_loss)
    return name, *map(_number, numbers)


def _temperature(made: Made) -> Iterable[str]:
    judgement = made.judgement
    found = judgement.calibration
    done = "is in the weights" if judgement.folded else "is not in the weights (--calibrate puts it there)"
    yield "<h2>Calibration</h2>"
    yield f"<p>The validation cases ask for a temperature of {judgement.temperature:.3f}, which {done}.</p>"
    names = list(found["without_temperature"])
    rows = [(name.replace("_", " "), *(_number(found[key][name]) for key in found)) for name in names]
    yield _table(("figure", "without it", "with it"), rows)


def _localisation(made: Made) -> Iterable[str]:
    found = made.localisation
    if found is None:
        return
    yield "<h2>Localisation</h2>"
    yield (
        f"<p>Grad-CAM of {found.explained} of {found.marked} held-out cases whose {escape(found.finding)} is known. "
        "A map that knows nothing of the image gives the value by chance.</p>"
    )
    rows = [
        (
            words,
            _number(found.means[name]["mean"]),
            _number(found.means[name]["chance"]),
            str(found.means[name]["cases"]),
        )
        for name, words in _STATISTICS.items()
    ]
    yield _table(("statistic", "mean", "by chance", "cases"), rows)


def _data(made: Made) -> Iterable[Sequence[str]]:
    ground = made.ground
    return [(name, summary(ground.data, ground.cases(name))) for name in SPLITS if ground.cases(name)]


def _settings(made: Made) -> Iterable[Sequence[str]]:
    plan = made.ground.plan
    yield "Data set", plan.dataset
    yield "Architecture", made.card.architecture
    yield "Input", " x ".join(map(str, made.card.input.size))
    for spec in parameter_specs(TrainingSettings):
        if spec.name not in ("size", "pretrained"):  # said above; may be a path
            yield spec.label, str(getattr(plan.settings, spec.name))
    yield "Start from", {"": "random weights", "imagenet": "ImageNet"}.get(plan.settings.pretrained, "a file")
    yield "Device", made.device
    yield "Time", f"{made.seconds / 60:.1f} min"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _image(words: str, pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return f"<img alt='{escape(words)}' src='data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}'>"


def _number(value: float | int | None) -> str:
    return f"{value:.3f}" if value is not None and math.isfinite(value) else "undefined"
