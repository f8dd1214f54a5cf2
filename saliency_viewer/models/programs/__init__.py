"""Files that are network and weights in one: read into steps of torch operators, never run as somebody's code.

Each reader (of exported programs, TorchScript, ONNX) makes a :class:`~saliency_viewer.models.programs.steps.Program`;
what follows is the same for all: it is checked, freed of a fixed batch, and built as a tree of modules.
"""
