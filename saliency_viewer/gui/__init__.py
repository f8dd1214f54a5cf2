"""The window: the only package that knows Qt, and one that never imports torch."""
