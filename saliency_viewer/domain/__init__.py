"""The things the program talks about, as frozen dataclasses: no files, no torch, no Qt."""

from saliency_viewer.domain.comparison import AGREEMENT_COLUMNS, AgreementRow, Comparison, Contender
from saliency_viewer.domain.display import Window
from saliency_viewer.domain.label_table import LabelTable, label_map
from saliency_viewer.domain.maps import AttributionMap, Provenance, Validity
from saliency_viewer.domain.model_card import ExplainSpec, Fold, InputSpec, ModelCard, OutputSpec
from saliency_viewer.domain.notice import RESEARCH_NOTICE
from saliency_viewer.domain.parameters import ParameterSpec, parameter, parameter_specs
from saliency_viewer.domain.plan import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.domain.prediction import Prediction
from saliency_viewer.domain.regions import REGION_COLOURS, Region, RegionSet, UniqueNames, regions_from_labels
from saliency_viewer.domain.result import AnalysisResult, MethodFailure
from saliency_viewer.domain.statistics import OUTSIDE_REGIONS, STATISTIC_COLUMNS, WHOLE_IMAGE, StatisticRow
from saliency_viewer.domain.study import Grid, Identity, Series, Study, Unreadable
from saliency_viewer.domain.suitability import study_warnings
from saliency_viewer.domain.target import ScoreTarget
from saliency_viewer.domain.training import (
    DATASETS,
    Box,
    EpochFigures,
    TrainingCase,
    TrainingData,
    TrainingPlan,
    TrainingSettings,
)
from saliency_viewer.domain.volume import Volume

__all__ = [
    "AGREEMENT_COLUMNS",
    "DATASETS",
    "OUTSIDE_REGIONS",
    "REGION_COLOURS",
    "RESEARCH_NOTICE",
    "STATISTIC_COLUMNS",
    "WHOLE_IMAGE",
    "AgreementRow",
    "AnalysisPlan",
    "AnalysisResult",
    "AttributionMap",
    "Box",
    "Comparison",
    "Contender",
    "EpochFigures",
    "ExplainSpec",
    "Fold",
    "Grid",
    "Identity",
    "ImageReference",
    "InputSpec",
    "LabelTable",
    "MethodFailure",
    "MethodRequest",
    "ModelCard",
    "OutputSpec",
    "ParameterSpec",
    "Prediction",
    "Provenance",
    "Region",
    "RegionSet",
    "ScoreTarget",
    "Series",
    "StatisticRow",
    "Study",
    "TrainingCase",
    "TrainingData",
    "TrainingPlan",
    "TrainingSettings",
    "UniqueNames",
    "Unreadable",
    "Validity",
    "Volume",
    "Window",
    "label_map",
    "parameter",
    "parameter_specs",
    "regions_from_labels",
    "study_warnings",
]
