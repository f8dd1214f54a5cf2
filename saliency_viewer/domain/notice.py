"""The sentence that stands in the window, in every figure and on every export."""

from __future__ import annotations

RESEARCH_NOTICE = "For research use only. Not a medical device. Saliency shows model behaviour, not pathology."
