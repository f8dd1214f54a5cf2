"""ONNX files as steps of torch operators.

The graph is walked node by node with the shape of one example at hand: what depends on shapes and constants alone is
computed at once, so that only the operators of the network remain. The library ``onnx`` parses the file; nothing in it
is run as code, and data outside of it is looked for in the package only.
"""
