"""The open document and its file: versioned, atomic, without pickle; autosave, recovery and settings."""

from saliency_viewer.session.autosave import Autosave, Recovery, discard_recovery, recoverable
from saliency_viewer.session.document import Document
from saliency_viewer.session.file import SUFFIX, load_session, save_session
from saliency_viewer.session.recent import Recent, forget_recent, load_recent, save_recent
from saliency_viewer.session.settings import Settings, load_settings, save_settings
from saliency_viewer.session.windows import window_from, window_record

__all__ = [
    "SUFFIX",
    "Autosave",
    "Document",
    "Recent",
    "Recovery",
    "Settings",
    "discard_recovery",
    "forget_recent",
    "load_recent",
    "load_session",
    "load_settings",
    "recoverable",
    "save_recent",
    "save_session",
    "save_settings",
    "window_from",
    "window_record",
]
