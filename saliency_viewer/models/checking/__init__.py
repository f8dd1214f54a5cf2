"""Saying everything that is wrong with a model package, and how to mend it."""

from saliency_viewer.models.checking.findings import Finding
from saliency_viewer.models.checking.report import Report, check_files

__all__ = ["Finding", "Report", "check_files"]
