"""Model packages: card, weights, architectures, preprocessing with its exact inverse, layers."""
