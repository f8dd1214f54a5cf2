"""Every form of a model package with every architecture and every method: applied, or why not."""
