"""Training classifiers: a small general loop, and the demo's networks."""
