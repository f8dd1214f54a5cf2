"""Training the classifiers that ship with the demo."""
