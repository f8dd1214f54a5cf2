"""Training classifiers on the user's images; and, in ``demo``, the networks of the built-in demo."""
