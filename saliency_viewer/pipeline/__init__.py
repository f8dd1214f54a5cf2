"""The only way to compute: one plan in, one result out, for the window, the command line and batches.

Importing this package imports neither torch nor Qt.
"""

from saliency_viewer.pipeline.analysis import check_plan, run_plan
from saliency_viewer.pipeline.batch import BatchOptions, BatchReport, CaseFailure, run_batch
from saliency_viewer.pipeline.case import CaseFields, combined_regions, explain_case, measure_case
from saliency_viewer.pipeline.cohort import Case, read_cohort
from saliency_viewer.pipeline.comparison import (
    compare_models,
    compare_results,
    free_name,
    named,
    same_question,
    with_regions,
)
from saliency_viewer.pipeline.comparison_files import export_comparison
from saliency_viewer.pipeline.comparison_slice import is_unexplained, strongest_slice
from saliency_viewer.pipeline.demo import write_demo
from saliency_viewer.pipeline.description import DescribeModel, ModelDescription
from saliency_viewer.pipeline.examining import Applicability, Examination, examine
from saliency_viewer.pipeline.hashing import image_hash
from saliency_viewer.pipeline.measuring import measure_map
from saliency_viewer.pipeline.messages import (
    Answered,
    AnyJob,
    Done,
    Errand,
    Failed,
    Job,
    Progress,
    Request,
    Started,
    Stopped,
)
from saliency_viewer.pipeline.model import Model, load_model
from saliency_viewer.pipeline.new_model import InspectCheckpoint, NewPackage, SavePackage, Trial, TryPackage
from saliency_viewer.pipeline.process import ComputeProcess
from saliency_viewer.pipeline.self_test import self_test
from saliency_viewer.pipeline.services import Services
from saliency_viewer.pipeline.study import explain_study, export_study
from saliency_viewer.pipeline.threads import prepare_torch
from saliency_viewer.pipeline.training import TrainingOutcome, check_training, run_training

__all__ = [
    "Answered",
    "AnyJob",
    "Applicability",
    "BatchOptions",
    "BatchReport",
    "Case",
    "CaseFailure",
    "CaseFields",
    "ComputeProcess",
    "DescribeModel",
    "Done",
    "Errand",
    "Examination",
    "Failed",
    "InspectCheckpoint",
    "Job",
    "Model",
    "ModelDescription",
    "NewPackage",
    "Progress",
    "Request",
    "SavePackage",
    "Services",
    "Started",
    "Stopped",
    "TrainingOutcome",
    "Trial",
    "TryPackage",
    "check_plan",
    "check_training",
    "combined_regions",
    "compare_models",
    "compare_results",
    "examine",
    "explain_case",
    "explain_study",
    "export_comparison",
    "export_study",
    "free_name",
    "image_hash",
    "is_unexplained",
    "load_model",
    "measure_case",
    "measure_map",
    "named",
    "prepare_torch",
    "read_cohort",
    "run_batch",
    "run_plan",
    "run_training",
    "same_question",
    "self_test",
    "strongest_slice",
    "with_regions",
    "write_demo",
]
