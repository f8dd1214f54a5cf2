"""One file for each attribution method; METHODS lists them in the order users see."""

from __future__ import annotations

import difflib
from typing import Any

from saliency_viewer.attribution.methods.ablation_cam import AblationCAM
from saliency_viewer.attribution.methods.base import Capabilities, Method, NoParameters, Reduced
from saliency_viewer.attribution.methods.blur_ig import BlurIG
from saliency_viewer.attribution.methods.deconvnet import DeconvNet
from saliency_viewer.attribution.methods.deep_lift import DeepLIFT
from saliency_viewer.attribution.methods.eigen_cam import EigenCAM
from saliency_viewer.attribution.methods.excitation_backprop import ExcitationBackprop
from saliency_viewer.attribution.methods.grad_cam import GradCAM
from saliency_viewer.attribution.methods.grad_cam_plus_plus import GradCAMPlusPlus
from saliency_viewer.attribution.methods.gradient import Gradient
from saliency_viewer.attribution.methods.gradient_shap import GradientSHAP
from saliency_viewer.attribution.methods.guided_backprop import GuidedBackprop
from saliency_viewer.attribution.methods.guided_grad_cam import GuidedGradCAM
from saliency_viewer.attribution.methods.guided_ig import GuidedIG
from saliency_viewer.attribution.methods.hires_cam import HiResCAM
from saliency_viewer.attribution.methods.input_x_gradient import InputXGradient
from saliency_viewer.attribution.methods.integrated_gradients import IntegratedGradients
from saliency_viewer.attribution.methods.layer_cam import LayerCAM
from saliency_viewer.attribution.methods.layer_deep_lift import LayerDeepLIFT
from saliency_viewer.attribution.methods.layer_grad_cam import LayerGradCAM
from saliency_viewer.attribution.methods.library_cams import FEM, KPCACAM, EigenGradCAM, FullGrad, GradCAMElementWise
from saliency_viewer.attribution.methods.lrp_epsilon_alpha2_beta1 import LRPEpsilonAlpha2Beta1
from saliency_viewer.attribution.methods.lrp_epsilon_alpha2_beta1_flat import LRPEpsilonAlpha2Beta1Flat
from saliency_viewer.attribution.methods.lrp_epsilon_gamma_box import LRPEpsilonGammaBox
from saliency_viewer.attribution.methods.lrp_epsilon_plus import LRPEpsilonPlus
from saliency_viewer.attribution.methods.lrp_epsilon_plus_flat import LRPEpsilonPlusFlat
from saliency_viewer.attribution.methods.noise_tunnel_ig import NoiseTunnelIG
from saliency_viewer.attribution.methods.occlusion import Occlusion
from saliency_viewer.attribution.methods.respond_cam import RespondCAM
from saliency_viewer.attribution.methods.rise import RISE
from saliency_viewer.attribution.methods.saliency_tubes import SaliencyTubes
from saliency_viewer.attribution.methods.score_cam import ScoreCAM
from saliency_viewer.attribution.methods.smooth_grad import SmoothGrad
from saliency_viewer.attribution.methods.smooth_grad_squared import SmoothGradSquared
from saliency_viewer.attribution.methods.smooth_integrated_gradients import SmoothIntegratedGradients
from saliency_viewer.attribution.methods.var_grad import VarGrad
from saliency_viewer.attribution.methods.xgrad_cam import XGradCAM
from saliency_viewer.attribution.methods.xrai import XRAI
from saliency_viewer.domain import parameter_specs
from saliency_viewer.errors import UserError

__all__ = ["FAMILIES", "METHODS", "Capabilities", "Method", "NoParameters", "Reduced", "method", "method_parameters"]

# Families in the order in which users see them.
FAMILIES: dict[str, tuple[Method, ...]] = {
    "Class activation maps": (
        GradCAM(),
        LayerGradCAM(),
        GradCAMPlusPlus(),
        HiResCAM(),
        RespondCAM(),
        SaliencyTubes(),
        LayerCAM(),
        XGradCAM(),
        EigenCAM(),
        AblationCAM(),
        ScoreCAM(),
    ),
    "Gradients": (
        Gradient(),
        InputXGradient(),
        SmoothGrad(),
        SmoothGradSquared(),
        VarGrad(),
    ),
    "Differences from a baseline": (
        IntegratedGradients(),
        SmoothIntegratedGradients(),
        NoiseTunnelIG(),
        BlurIG(),
        GuidedIG(),
        XRAI(),
        GradientSHAP(),
        DeepLIFT(),
        LayerDeepLIFT(),
    ),
    "Backward rules": (
        GuidedBackprop(),
        GuidedGradCAM(),
        DeconvNet(),
        ExcitationBackprop(),
        LRPEpsilonPlus(),
        LRPEpsilonPlusFlat(),
        LRPEpsilonAlpha2Beta1(),
        LRPEpsilonAlpha2Beta1Flat(),
        LRPEpsilonGammaBox(),
    ),
    "Hidden parts": (
        Occlusion(),
        RISE(),
    ),
    "From pytorch-grad-cam": (
        EigenGradCAM(),
        KPCACAM(),
        FEM(),
        GradCAMElementWise(),
        FullGrad(),
    ),
}
METHODS: tuple[Method, ...] = tuple(found for family in FAMILIES.values() for found in family)


def method(name: str) -> Method:
    """The method of that id or alias; underscores and capitals do not matter.

    Raises :class:`UserError` with near names when there is none.
    """
    wanted = name.strip().lower().replace("_", "-")
    for candidate in METHODS:
        if wanted == candidate.id or wanted in candidate.aliases:
            return candidate
    near = _near(wanted)
    known = ", ".join(candidate.id for candidate in METHODS)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Choose one of: {known}."
    raise UserError(f"There is no method '{name}'.", hint)


def _near(wanted: str) -> list[str]:
    """Methods of a family (lrp), those that are called by their initials (ig), else those that are spelt alike."""
    known = [candidate.id for candidate in METHODS]
    family = [one for one in known if one.startswith(f"{wanted}-")]
    initials = [one for one in known if "".join(part[0] for part in one.split("-")) == wanted]
    return family or initials or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)


def method_parameters(chosen: Method, values: dict[str, Any] | None = None) -> Any:
    """The method's frozen ``Parameters`` with ``values`` checked and put in; raises :class:`UserError`."""
    specs = {spec.name: spec for spec in parameter_specs(chosen.Parameters)}
    parsed: dict[str, Any] = {}
    for name, value in (values or {}).items():
        if name not in specs:
            known = f"It has: {', '.join(specs)}." if specs else "It has none."
            raise UserError(f"The method {chosen.id} has no parameter '{name}'.", known)
        parsed[name] = specs[name].parse(value, chosen.id)
    return chosen.Parameters(**parsed)
