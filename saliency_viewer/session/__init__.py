"""The open document and its file: versioned, atomic, without pickle; autosave and recovery."""
