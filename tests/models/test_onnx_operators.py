"""Every ONNX operator that is read, in the variants that files have, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnx_files as files
import pytest
import torch
from onnx import helper

from saliency_viewer.models.programs.onnx_reading.operators import HANDLERS
from saliency_viewer.models.programs.onnx_reading.reading import read_onnx

RANDOM = np.random.default_rng(0)
IMAGE = (2, 4, 9, 7)
VOLUME = (1, 2, 6, 5, 7)
SERIES = (2, 3, 12)
ROWS = (3, 8)
END = np.iinfo(np.int64).max


class Case(NamedTuple):
    """One operator on ``x`` and constants; an operand that is None is left out."""

    op: str
    shape: tuple[int, ...] = IMAGE
    operands: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] = MappingProxyType({})
    opset: int = 17
    outputs: int = 1
    first: bool = True  # x is the first operand; else the last


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def number(value: float) -> np.ndarray:
    return np.asarray(value, np.float32)


def window(**more: Any) -> dict[str, Any]:
    return {"kernel_shape": [3, 3], "strides": [2, 2], **more}


KERNEL = floats(6, 4, 3, 3)
CONVOLUTIONS = [
    Case("Conv", operands=(KERNEL,)),
    Case("Conv", operands=(KERNEL, floats(6)), attributes=window(pads=[1, 1, 1, 1])),
    Case("Conv", operands=(KERNEL,), attributes=window(pads=[0, 1, 1, 2])),
    Case("Conv", operands=(KERNEL,), attributes=window(auto_pad="SAME_UPPER")),
    Case("Conv", operands=(KERNEL,), attributes=window(auto_pad="SAME_LOWER")),
    Case("Conv", operands=(KERNEL,), attributes=window(auto_pad="VALID")),
    Case("Conv", operands=(KERNEL,), attributes={"dilations": [2, 1], "pads": [2, 1, 2, 1]}),
    Case("Conv", operands=(floats(8, 2, 3, 3),), attributes={"group": 2}),
    Case("Conv", operands=(floats(4, 1, 1, 3),), attributes={"group": 4, "auto_pad": "SAME_UPPER"}),
    Case("Conv", VOLUME, (floats(3, 2, 3, 1, 2), floats(3)), {"strides": [1, 2, 1], "pads": [1, 0, 0, 1, 0, 1]}),
    Case("Conv", SERIES, (floats(5, 3, 4),), {"strides": [3]}),
    Case("ConvTranspose", operands=(floats(4, 3, 3, 3), floats(3)), attributes={"strides": [2, 2]}),
    Case("ConvTranspose", operands=(floats(4, 1, 2, 2),), attributes={"group": 4, "pads": [1, 0, 1, 0]}),
    Case("ConvTranspose", operands=(floats(4, 3, 3, 3),), attributes=window(output_padding=[1, 0], pads=[1, 1, 1, 1])),
    Case("ConvTranspose", VOLUME, (floats(2, 3, 2, 2, 2),), {"strides": [2, 1, 2]}),
]
LINEAR = [
    Case("Gemm", ROWS, (floats(8, 5), floats(5))),
    Case("Gemm", ROWS, (floats(5, 8), floats(1, 5)), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("Gemm", (8, 3), (floats(8, 5), floats(1)), {"transA": 1}),
    Case("Gemm", ROWS, (floats(8, 5), number(0.7))),
    Case("Gemm", ROWS, (floats(8, 3), floats(3, 1))),
    Case("Gemm", ROWS, (floats(8, 3), floats(3, 3))),
    Case("Gemm", ROWS, (floats(8, 5),)),
    Case("MatMul", ROWS, (floats(8, 5),)),
    Case("MatMul", (2, 3, 4, 8), (floats(8, 5),)),
    Case("MatMul", (2, 3, 4, 8), (floats(3, 8, 5),)),
    Case("MatMul", (8, 3), (floats(5, 8),), first=False),
    Case("Einsum", (2, 3, 4), (floats(4, 5),), {"equation": "bij,jk->bik"}),
]
NORMALISATIONS = [
    Case("BatchNormalization", operands=(floats(4), floats(4), floats(4), abs(floats(4))), attributes={"epsilon": 0.1}),
    Case("BatchNormalization", ROWS, (floats(8), floats(8), floats(8), abs(floats(8))), opset=9),
    Case("BatchNormalization", VOLUME, (floats(2), floats(2), floats(2), abs(floats(2)))),
    Case("InstanceNormalization", operands=(floats(4), floats(4)), attributes={"epsilon": 0.01}),
    Case("LayerNormalization", operands=(floats(7), floats(7))),
    Case("LayerNormalization", operands=(floats(9, 7),), attributes={"axis": -2, "epsilon": 0.01}),
    Case("LayerNormalization", operands=(floats(1), floats(7)), attributes={"axis": 3}),
    Case("GroupNormalization", operands=(floats(2), floats(2)), attributes={"num_groups": 2}, opset=18),
    Case("GroupNormalization", operands=(floats(4), floats(4)), attributes={"num_groups": 2}, opset=21),
    Case("RMSNormalization", operands=(floats(7),), opset=23),
    Case("LRN", (2, 9, 3, 4), attributes={"size": 5, "alpha": 0.3, "beta": 0.5, "bias": 2.0}),
    Case("LpNormalization", attributes={"axis": 1}),
    Case("LpNormalization", attributes={"p": 1}),
    Case("Dropout", operands=(number(0.5), np.asarray(False))),
    Case("Dropout", opset=11),
]
POOLS = [
    Case("MaxPool", attributes=window()),
    Case("MaxPool", attributes=window(pads=[1, 1, 1, 1])),
    Case("MaxPool", attributes=window(pads=[0, 0, 1, 1])),
    Case("MaxPool", attributes=window(auto_pad="SAME_UPPER")),
    Case("MaxPool", attributes=window(auto_pad="SAME_LOWER")),
    Case("MaxPool", (1, 1, 8, 6), attributes=window(ceil_mode=1)),
    Case("MaxPool", (1, 1, 8, 6), attributes=window(ceil_mode=1, pads=[1, 1, 1, 1])),
    Case("MaxPool", (1, 1, 8, 7), attributes=window(ceil_mode=1, pads=[0, 0, 1, 1])),
    Case("MaxPool", attributes={"kernel_shape": [2, 2], "dilations": [2, 3]}),
    Case("MaxPool", VOLUME, attributes={"kernel_shape": [2, 1, 3], "strides": [2, 1, 2]}),
    Case("MaxPool", SERIES, attributes={"kernel_shape": [3], "strides": [2], "pads": [1, 0]}),
    Case("AveragePool", attributes=window()),
    Case("AveragePool", attributes=window(pads=[1, 1, 1, 1])),
    Case("AveragePool", attributes=window(pads=[1, 1, 1, 1], count_include_pad=1)),
    Case("AveragePool", attributes=window(pads=[0, 1, 1, 1])),
    Case("AveragePool", attributes=window(pads=[0, 1, 1, 1], count_include_pad=1)),
    Case("AveragePool", attributes=window(auto_pad="SAME_UPPER")),
    Case("AveragePool", attributes=window(auto_pad="SAME_LOWER")),
    Case("AveragePool", (1, 1, 8, 6), attributes=window(ceil_mode=1), opset=19),
    Case("AveragePool", (1, 1, 8, 6), attributes=window(ceil_mode=1, pads=[1, 1, 1, 1], count_include_pad=1), opset=19),
    Case("AveragePool", VOLUME, attributes={"kernel_shape": [2, 2, 2]}),
    Case("GlobalAveragePool"),
    Case("GlobalAveragePool", VOLUME),
    Case("GlobalMaxPool", SERIES),
    Case("GlobalLpPool", attributes={"p": 2}),
]
PLAIN = [
    Case(op)
    for op in (
        *("Relu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Softsign", "Exp", "Erf", "Neg", "Abs", "Sign", "Floor"),
        *("Ceil", "Round", "Sin", "Cos", "Reciprocal", "Identity", "LeakyRelu", "Elu", "Celu", "Selu", "HardSigmoid"),
    )
] + [
    Case("Mish", opset=18),
    Case("LeakyRelu", attributes={"alpha": 0.2}),
    Case("Elu", attributes={"alpha": 0.5}),
    Case("Celu", attributes={"alpha": 0.5}),
    Case("Selu", attributes={"alpha": 1.5, "gamma": 2.0}),
    Case("Gelu", opset=20),
    Case("Gelu", attributes={"approximate": "tanh"}, opset=20),
    Case("Swish", opset=24),
    Case("Swish", attributes={"alpha": 0.7}, opset=24),
    Case("PRelu", operands=(floats(4, 1, 1),)),
    Case("PRelu", operands=(floats(1),)),
    Case("PRelu", ROWS, (floats(8),)),
    Case("HardSigmoid", attributes={"alpha": 1 / 6, "beta": 0.5}),
    Case("Clip"),
    Case("Clip", opset=7),
    Case("Clip", attributes={"min": -0.5}, opset=7),
    Case("Clip", attributes={"min": 0.0, "max": 6.0}, opset=10),
    Case("Clip", operands=(number(0), number(6))),
    Case("Clip", operands=(number(0),)),
    Case("Clip", operands=(None, number(0.5))),
    Case("Clip", operands=(number(0), number(np.finfo(np.float32).max))),
    Case("Softmax"),
    Case("Softmax", attributes={"axis": 1}),
    Case("Softmax", opset=11),
    Case("Softmax", attributes={"axis": 2}, opset=11),
    Case("LogSoftmax", ROWS, opset=11),
    Case("LogSoftmax", attributes={"axis": 0}),
    Case("Cast", attributes={"to": 10}),
    Case("Cast", attributes={"to": 7}),
    Case("Cast", attributes={"to": 9}),
    Case("CastLike", operands=(ints(1),)),
    Case("IsNaN"),
]
POSITIVE = [Case("Log"), Case("Sqrt")]
COMBINED = [
    *(Case(op, operands=(floats(4, 1, 1),), first=first) for op in ("Add", "Sub", "Mul", "Div") for first in (0, 1)),
    *(Case(op, operands=(number(0.3),)) for op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Add", "Div")),
    Case("Sub", operands=(number(0.3),), first=False),
    Case("Equal", operands=(floats(7),)),
    Case("Max", operands=(floats(7), number(0.2))),
    Case("Min", operands=(floats(7), number(0.2))),
    Case("Sum", operands=(floats(7), number(0.2))),
    Case("Mean", operands=(floats(7), number(0.2))),
    Case("Pow", operands=(number(2),)),
    Case("Pow", operands=(np.asarray([3], np.int64),)),
    Case("Mod", operands=(number(0.4),), attributes={"fmod": 1}),
]
REDUCED = [
    *(Case(f"Reduce{name}", attributes={"axes": [2, -1], "keepdims": 0}, opset=13) for name in ("Mean", "Max", "Min")),
    *(Case(f"Reduce{name}", attributes={"axes": [1]}, opset=13) for name in ("Prod", "L1", "L2", "SumSquare")),
    *(Case(f"Reduce{name}", operands=(ints(-1),), opset=18) for name in ("Mean", "Max", "LogSumExp", "L2")),
    Case("ReduceSum", operands=(ints(1, 2),), attributes={"keepdims": 0}),
    Case("ReduceSum", attributes={"axes": [1, 2]}, opset=11),
    Case("ReduceSum"),
    Case("ReduceSum", attributes={"noop_with_empty_axes": 1}),
    Case("ReduceMean", operands=(ints(),), opset=18),
    Case("ReduceProd", attributes={"axes": [-1, 1], "keepdims": 0}),
    Case("ArgMax", attributes={"axis": -1, "keepdims": 0}),
    Case("ArgMin"),
    Case("CumSum", operands=(np.asarray(2, np.int64),)),
]
SHAPED = [
    Case("Shape"),
    Case("Shape", attributes={"start": 1, "end": -1}),
    Case("Size"),
    Case("Reshape", operands=(ints(0, -1, 7),)),
    Case("Reshape", operands=(ints(2, 252),), attributes={"allowzero": 1}),
    Case("Flatten"),
    Case("Flatten", attributes={"axis": 0}),
    Case("Flatten", attributes={"axis": -1}),
    Case("Transpose"),
    Case("Transpose", attributes={"perm": [0, 2, 3, 1]}),
    Case("Squeeze", (2, 1, 3, 1), (ints(-1),)),
    Case("Squeeze", (2, 1, 3, 1)),
    Case("Squeeze", (2, 1, 3, 1), attributes={"axes": [1, 3]}, opset=11),
    Case("Unsqueeze", ROWS, (ints(-1, 0),)),
    Case("Unsqueeze", ROWS, attributes={"axes": [1]}, opset=11),
    Case("Concat", operands=(floats(2, 3, 9, 7),), attributes={"axis": 1}),
    Case("Concat", operands=(floats(2, 4, 9, 2),), attributes={"axis": -1}, first=False),
    Case("Split", attributes={"axis": 1}, outputs=2),
    Case("Split", operands=(ints(1, 2, 1),), attributes={"axis": -3}, outputs=3),
    Case("Split", attributes={"axis": 3, "num_outputs": 3}, outputs=3, opset=18),
    Case("Split", attributes={"axis": 3, "split": [3, 4]}, outputs=2, opset=11),
    Case("Slice", operands=(ints(1, 2), ints(END, -1), ints(1, 3))),
    Case("Slice", operands=(ints(0), ints(END), ints(-1), ints(2))),
    Case("Slice", operands=(ints(-1), ints(-END), ints(2), ints(-1))),
    Case("Slice", operands=(ints(-2), ints(-6), ints(3), ints(-2))),
    Case("Slice", operands=(ints(-100, 3), ints(-2, 100), ints(2, 3))),
    Case("Slice", operands=(ints(0, 1), ints(2, 3))),
    Case("Slice", attributes={"starts": [1, 0], "ends": [4, -2], "axes": [1, 2]}, opset=9),
    Case("Gather", operands=(np.asarray(-1, np.int64),), attributes={"axis": 1}),
    Case("Gather", operands=(ints(2, 0, -4),), attributes={"axis": 1}),
    Case("Gather", operands=(np.asarray([[0, -1], [3, 3]], np.int64),), attributes={"axis": 2}),
    Case("Gather", operands=(np.arange(9).reshape(3, 3),), attributes={"axis": -2}),
    Case("Gather", (1, 4), (np.asarray(0, np.int64),)),
    Case("GatherElements", ROWS, (np.asarray([[0, -1], [2, 3], [7, 7]], np.int64),), {"axis": 1}),
    Case("GatherND", operands=(np.asarray([[1, -1], [0, 2]], np.int64),)),
    Case("ScatterND", ROWS, (np.asarray([[1], [-1]], np.int64), floats(2, 8))),
    Case("Expand", (2, 1, 3), (ints(4, 1, 5, 1),)),
    Case("Expand", (2, 1, 3), (ints(1, 3),)),
    Case("Tile", ROWS, (ints(2, 3),)),
    Case("Pad", operands=(ints(0, 1, 2, 0, 0, 0, 1, 3),)),
    Case("Pad", operands=(ints(0, 0, -1, 2, 0, 0, -2, 0), number(0.5))),
    Case("Pad", operands=(ints(0, 0, 0, 2, 0, 0, 0, 1),), attributes={"mode": "reflect"}),
    Case("Pad", operands=(ints(0, 0, 1, 2, 0, 0, 2, 1),), attributes={"mode": "edge"}),
    Case("Pad", operands=(ints(0, 2, 1, 0, 0, 1, 2, 0),), attributes={"mode": "reflect"}),
    Case("Pad", operands=(ints(2, 1), number(1), ints(-1)), opset=18),
    Case("Pad", attributes={"pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": 0.3}, opset=10),
    Case("DepthToSpace", (2, 8, 3, 2), attributes={"blocksize": 2}),
    Case("DepthToSpace", (2, 8, 3, 2), attributes={"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", (2, 3, 4, 6), attributes={"blocksize": 2}),
    Case("Trilu", ROWS, attributes={"upper": 0}),
    Case("Trilu", ROWS, (np.asarray(1, np.int64),)),
]


def resized(sizes: Any = None, scales: Any = None, opset: int = 13, **attributes: Any) -> Case:
    operands = (
        None,
        None if scales is None else np.asarray(scales, np.float32),
        None if sizes is None else ints(*sizes),
    )
    return Case("Resize", operands=operands, attributes=attributes, opset=opset)


DOUBLE = [1, 1, 2, 2]
RESIZED = [
    *(
        resized(scales=DOUBLE, mode="linear", coordinate_transformation_mode=way)
        for way in ("half_pixel", "align_corners")
    ),
    resized(scales=DOUBLE, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    resized(scales=DOUBLE),
    resized(scales=[1, 1, 1.5, 0.7], mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    resized(scales=[1, 1, 1.5, 2.5], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    resized([2, 4, 13, 5], mode="linear", coordinate_transformation_mode="half_pixel"),
    resized([2, 4, 13, 11], mode="cubic", coordinate_transformation_mode="align_corners"),
    resized([13, 5], mode="linear", axes=[2, 3], opset=18),
    Case("Resize", operands=(np.asarray(DOUBLE, np.float32),), attributes={"mode": "nearest"}, opset=10),
    Case("Upsample", operands=(np.asarray(DOUBLE, np.float32),), attributes={"mode": "nearest"}, opset=9),
    Case("Upsample", attributes={"mode": "nearest", "scales": [1.0, 1.0, 2.0, 3.0]}, opset=7),
]
HEADS = (2, 4, 5, 8)
ATTENTION = [
    Case("Attention", HEADS, (floats(*HEADS), floats(*HEADS)), opset=23),
    Case("Attention", HEADS, (floats(*HEADS), floats(*HEADS)), {"is_causal": 1, "scale": 0.3}, opset=23),
    Case("Attention", HEADS, (floats(*HEADS), floats(*HEADS), floats(5, 5)), opset=23),
    Case("Attention", (2, 5, 8), (floats(2, 5, 8), floats(2, 5, 8)), {"q_num_heads": 2, "kv_num_heads": 2}, opset=23),
]
CASES = [
    *(CONVOLUTIONS + LINEAR + NORMALISATIONS + POOLS + PLAIN + POSITIVE + COMBINED + REDUCED),
    *(SHAPED + RESIZED + ATTENTION),
]


def built(case: Case) -> bytes:
    names = [f"c{k}" if value is not None else "" for k, value in enumerate(case.operands)]
    constants = {name: value for name, value in zip(names, case.operands, strict=True) if name}
    outputs = ["y"] if case.outputs == 1 else [f"y{k}" for k in range(case.outputs)]
    operands = ["x", *names] if case.first else [*names, "x"]
    node = helper.make_node(case.op, operands, outputs, **case.attributes)
    return files.model([node], case.shape, constants, case.opset, outputs).SerializeToString()


def answers(content: bytes, images: np.ndarray) -> list[np.ndarray]:
    """What the steps that were read give; shapes and sizes are constants, and made a value by adding the image."""
    program, _ = read_onnx(content, "net.onnx", bytes, images.shape)
    found = program.run(torch.from_numpy(images.astype(np.float32)))
    return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


def summed(content: bytes) -> bytes:
    """The network whose answer is the sum of its old one, as a number, and of its input."""
    import onnx

    model = onnx.load_model_from_string(content)
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["y"], ["number"], to=1),
            helper.make_node("ReduceSum", ["number"], ["total"], keepdims=0),
            helper.make_node("Add", ["total", "x"], ["z"]),
        ]
    )
    model.graph.output[0].name = "z"
    return model.SerializeToString()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}-{case.opset}")
def test_an_operator_gives_what_onnx_runtime_gives(case):
    content = built(case)
    if case.op in ("Shape", "Size"):
        content = summed(content)
    images = floats(*case.shape)
    if case in POSITIVE:
        images = abs(images)
    expected = files.runtime(content, images)
    found = answers(content, images)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        scale = max(1.0, float(np.abs(other.astype(float)).max(initial=0)))
        atol = 2e-3 * scale if case.attributes.get("to") == 10 else 2e-6 * scale  # float16 is computed in float32
        np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=1e-5, atol=atol)


def test_every_operator_that_is_read_has_a_case():
    elsewhere = {
        *("Constant", "ConstantOfShape", "Range", "Where", "If", "And", "Or", "Xor", "Not", "IsInf", "ReduceLogSum"),
        *("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"),
    }
    assert {case.op for case in CASES} | elsewhere == set(HANDLERS)
