"""A look at a model before it is used: what is wrong with it, and what it says about one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    AnalysisPlan,
    AttributionMap,
    ImageReference,
    MethodRequest,
    Prediction,
    Volume,
)
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.analysis import explain_volume, explained_slices
from saliency_viewer.pipeline.threads import compute_threads
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from saliency_viewer.models import Classifier, LayerNode
    from saliency_viewer.models.checking import Finding
    from saliency_viewer.models.files import PackageFiles
    from saliency_viewer.models.own_code import Trust

MAP_METHODS = ("grad-cam", "gradient")  # the second for a network in which the first has no layer to read
_CHECKED, _LOOKED, _ASKED, _MAPPED = 0.35, 0.45, 0.6, 0.75
_FEW = {"samples": 2, "steps": 2, "clusters": 4}  # whether a method applies is seen after two steps as after fifty
_PATCH = 64  # voxels, for the same reason


@dataclass(frozen=True)
class Applicability:
    """Whether a method can be applied to a network, and why not."""

    method: str
    applies: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found, without the image.

    Attributes
    ----------
    facts, findings:
        As in :class:`~saliency_viewer.models.checking.Report`.
    layers:
        The network's modules; None when it does not run.
    prediction:
        Its answer about the image; None without an image or an answer.
    """

    facts: tuple[str, ...]
    findings: tuple[Finding, ...]
    layers: LayerNode | None = None
    prediction: Prediction | None = None

    @property
    def good(self) -> bool:
        """Whether the model can be used."""
        return not any(finding.level == "fault" for finding in self.findings)


@dataclass(frozen=True, eq=False)
class Examination(Verdict):
    """What was found, and on what.

    Attributes
    ----------
    volume, amap:
        The image that it was asked about, and a map for its answer; None without an image or an answer.
    slice_index:
        The slice to show, which decided or holds most evidence.
    methods:
        Which methods apply, when that was asked.
    """

    volume: Volume | None = None
    amap: AttributionMap | None = None
    slice_index: int = 0
    methods: tuple[Applicability, ...] = ()

    def picture(self) -> NDArray[np.uint8] | None:
        """(row, column, 3) uint8: the image, the map, and the map over the image; None without a map."""
        from saliency_viewer.render import slice_figure

        if self.volume is None or self.amap is None:
            return None
        return slice_figure(self.volume, self.amap, self.slice_index)


def examine(
    files: PackageFiles,
    trust_code: Trust = False,
    volume: Volume | None = None,
    methods: bool = False,
    device: str = "auto",
    context: RunContext | None = None,
) -> Examination:
    """Check a package, ask it about ``volume``, and explain its answer.

    ``methods`` has every attribution method tried. What is wrong with the package is in the findings; raises only
    :class:`Cancelled`, and :class:`UserError` for a device that is not there.
    """
    from saliency_viewer.models import layer_tree
    from saliency_viewer.models.checking import check_files
    from saliency_viewer.runtime.devices import choose_device

    context = context or RunContext()
    plan = AnalysisPlan(ImageReference(""), "", ())
    with compute_threads(plan.threads):
        report = check_files(files, trust_code, volume, choose_device(device), context.part(0.0, _CHECKED))
        found = Examination(report.facts, report.findings)
        classifier = report.classifier
        if classifier is None:
            return found
        context.report(_CHECKED, "Looking at the layers")
        found = replace(found, layers=layer_tree(classifier))
        if not report.good:
            return found
        if volume is not None:
            found = _asked(found, classifier, volume, context)
        if methods:
            return replace(found, methods=_applicable(classifier, volume, context.part(_MAPPED, 1.0)))
        return found


def _asked(found: Examination, classifier: Classifier, volume: Volume, context: RunContext) -> Examination:
    """With prediction and map; an image that does not suit the model is a fault of the pair, and was noted."""
    from saliency_viewer.models.checking import Finding

    plan = AnalysisPlan(ImageReference(""), "", ())
    try:
        prediction = classifier.predict(volume, context.part(_LOOKED, _ASKED), plan.batch_size)
        slices = explained_slices(plan, classifier, volume, prediction)
        shown = _decisive(slices, prediction)
        amap = _first_map(plan, classifier, volume, prediction, shown, context.part(_ASKED, _MAPPED))
    except UserError as error:
        return replace(found, findings=(*found.findings, Finding("fault", error.message, error.hint)))
    warnings = tuple(Finding("warning", words) for words in prediction.warnings)
    if amap is None or amap.is_empty():
        warnings += (Finding("warning", "The map of this answer is empty: there is no evidence to show."),)
    return replace(
        found,
        findings=(*found.findings, *warnings),
        volume=volume,
        prediction=prediction,
        amap=amap,
        slice_index=_shown_slice(shown, amap, volume),
    )


def _first_map(
    plan: AnalysisPlan,
    classifier: Classifier,
    volume: Volume,
    prediction: Prediction,
    slices: tuple[int, ...],
    context: RunContext,
) -> AttributionMap | None:
    """The map of the first method that applies and finds anything."""
    last: AttributionMap | None = None
    for name in MAP_METHODS:
        asked = replace(plan, methods=(MethodRequest(name),))
        for amap in explain_volume(asked, classifier, volume, prediction, slices, context)[0]:
            if not amap.is_empty():
                return amap
            last = last or amap
    return last


def _decisive(slices: tuple[int, ...], prediction: Prediction) -> tuple[int, ...]:
    """One slice is enough to look at: the one that decided, else the middle one."""
    if not slices:
        return ()
    chosen = prediction.slice_index if prediction.slice_index is not None else slices[len(slices) // 2]
    return (chosen,)


def _shown_slice(slices: tuple[int, ...], amap: AttributionMap | None, volume: Volume) -> int:
    if slices:
        return slices[0]
    peak = amap.peak if amap is not None else None
    return peak[0] if peak is not None else volume.geometry.shape[0] // 2


def _applicable(classifier: Classifier, volume: Volume | None, context: RunContext) -> tuple[Applicability, ...]:
    """Every method, tried on the image or, without one, on noise."""
    import torch

    from saliency_viewer.attribution import METHODS, explain
    from saliency_viewer.models.forward import input_shape

    if volume is None:
        shape = input_shape(classifier.card.input)
        inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(classifier.device)
    else:
        slices = None if classifier.card.input.layout == "3d" else (volume.geometry.shape[0] // 2,)
        inputs = classifier.prepare(volume, slices).inputs
    layer = classifier.card.explain.layer
    settings = {method.id: _cheap(method.Parameters, min(inputs.shape[2:])) for method in METHODS}

    def tried(names: list[str], part: RunContext) -> dict[str, UserError]:
        results = explain(
            classifier.members[0].network, inputs, names, 0, layer, parameters={name: settings[name] for name in names},
            progress=part.report, cancel=part.cancel, skip_undefined=True,
        )  # fmt: skip
        return dict(results.undefined)

    names = [method.id for method in METHODS]
    try:
        reasons = tried(names, context)  # together they share what they compute
    except UserError:
        reasons = {}
        for name in names:
            try:
                reasons.update(tried([name], context))
            except UserError as error:
                reasons[name] = error
    return tuple(
        Applicability(name, name not in reasons, reasons[name].message if name in reasons else "") for name in names
    )


def _cheap(parameters: type, side: int) -> dict[str, int]:
    """The fewest samples and steps that the method takes."""
    from saliency_viewer.domain import parameter_specs

    names = {spec.name for spec in parameter_specs(parameters)}
    chosen = {name: few for name, few in _FEW.items() if name in names}
    return {**chosen, "size": min(_PATCH, side), "stride": min(_PATCH, side)} if "stride" in names else chosen
