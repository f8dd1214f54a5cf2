"""The card of a volume network that takes milliseconds."""

CARD = """
[model]
name = "Tiny block"
version = "0.1"
architecture = "builtin:small-cnn-3d"
weights = "weights.safetensors"
arguments = { width = 4, downsamplings = 1 }

[output]
classes = ["well", "sick"]

[input]
layout = "3d"
channels = 1
size = [8, 24, 20]
intensity = [{ step = "minmax" }]
"""
