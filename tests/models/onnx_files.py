"""ONNX files for the tests, built by hand or exported from torch, and the answers of ONNX Runtime."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.programs.block import Block
from saliency_viewer.models.programs.finishing import finished
from saliency_viewer.models.programs.onnx_reading.reading import read_onnx

IR_VERSION = 10


def model(
    nodes: Sequence[Any],
    shape: Sequence[Any],
    constants: Mapping[str, NDArray] | None = None,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
    kind: int = TensorProto.FLOAT,
    **more: Any,
) -> onnx.ModelProto:
    """A network of ``nodes`` from the input ``x`` to ``outputs``."""
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    given = [helper.make_tensor_value_info("x", kind, shape)]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(list(nodes), "network", given, results, initializers)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, **more)


def read(content: bytes, shape: Sequence[int], beside: Mapping[str, bytes] | None = None) -> Block:
    """The network that a package with this file would have."""
    return finished(*read_onnx(content, "net.onnx", MemoryFiles(dict(beside or {})).read, tuple(shape)))


def runtime(content: bytes, images: NDArray) -> list[NDArray]:
    """What ONNX Runtime answers, without optimising the network."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})


def exported(network: nn.Module, images: Tensor, opset: int, dynamic: bool = False) -> bytes:
    """The network as torch's exporters write it: the older one up to version 17, the newer one from 18 on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporters themselves
        if opset >= 18:
            shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if dynamic else None
            program = torch.onnx.export(
                network, (images,), dynamo=True, opset_version=opset, dynamic_shapes=shapes, verbose=False
            )
            return program.model_proto.SerializeToString()
        stream = io.BytesIO()
        names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}} if dynamic else {}
        torch.onnx.export(network, (images,), stream, dynamo=False, opset_version=opset, **names)
        return stream.getvalue()


def randomised(network: nn.Module) -> nn.Module:
    """In evaluation mode, with statistics and weights of normalisations that are not ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)):
            nn.init.normal_(module.weight, 1, 0.2, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)
    return network.eval()
