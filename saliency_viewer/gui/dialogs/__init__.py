"""Dialogs: each asks or tells one thing, and none blocks the window's event loop."""
