"""The open document and its file: versioned, atomic, without pickle; autosave, recovery and settings."""

from saliency_viewer.session.autosave import Autosave, Recovery, discard_recovery, recoverable
from saliency_viewer.session.document import Document
from saliency_viewer.session.file import SUFFIX, load_session, save_session
from saliency_viewer.session.settings import Settings, load_settings, save_settings

__all__ = [
    "SUFFIX",
    "Autosave",
    "Document",
    "Recovery",
    "Settings",
    "discard_recovery",
    "load_session",
    "load_settings",
    "recoverable",
    "save_session",
    "save_settings",
]
