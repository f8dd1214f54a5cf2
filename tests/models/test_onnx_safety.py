"""ONNX files that are damaged, hostile or beyond what can be explained: each is refused with a sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_files as files
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package
from saliency_viewer.models.programs.onnx_reading.file import parsed
from saliency_viewer.models.recognition.inspection import read_checkpoint

SHAPE = (1, 3, 8, 8)
KERNEL = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
END = [
    helper.make_node("GlobalAveragePool", ["y"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["z"]),
]
CARD = """[model]
name = "n"
architecture = "onnx"
weights = "net.onnx"
[output]
classes = ["a", "b", "c", "d"]
[input]
channels = 3
size = [8, 8]
"""


def network(*nodes, shape=SHAPE, constants=None, **more):
    return files.model([*nodes, *END], shape, {"w": KERNEL, **(constants or {})}, outputs=("z",), **more)


CONV = helper.make_node("Conv", ["x", "w"], ["y"])


def refused(model, match: str, shape=SHAPE) -> UserError:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(UserError, match=match) as caught:
        files.read(content, shape)
    assert caught.value.hint
    assert "/tmp" not in str(caught.value)
    return caught.value


def test_the_network_of_these_tests_is_sound():
    content = network(CONV).SerializeToString()
    images = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    (expected,) = files.runtime(content, images)
    np.testing.assert_allclose(files.read(content, SHAPE)(torch.from_numpy(images)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "match"),
    [
        ([helper.make_node("QLinearConv", ["x", "s", "s", "w", "s", "s", "s", "s"], ["y"])], "quantised.*QLinearConv"),
        ([helper.make_node("QuantizeLinear", ["x", "s"], ["y"])], "quantised.*QuantizeLinear"),
        ([helper.make_node("DequantizeLinear", ["w", "s"], ["d"]), CONV], "quantised.*DequantizeLinear"),
        ([helper.make_node("ConvInteger", ["x", "w"], ["y"])], "quantised.*ConvInteger"),
        ([helper.make_node("Dropout", ["x", "s", "true"], ["y"])], "training mode"),
        ([helper.make_node("BatchNormalization", ["x", "v", "v", "v", "v"], ["y"], training_mode=1)], "training mode"),
        ([helper.make_node("RandomNormalLike", ["x"], ["y"])], "random numbers.*RandomNormalLike"),
        ([helper.make_node("NonMaxSuppression", ["x", "x"], ["y"], name="n1")], r"NonMaxSuppression' \(node 'n1'\)"),
        ([helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft")], "com.microsoft.FusedConv"),
        ([helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml")], "ai.onnx.ml.Normalizer"),
        ([helper.make_node("GRU", ["x", "w", "w"], ["y"])], "'GRU' is not supported"),
        ([helper.make_node("Conv", ["x", "nowhere"], ["y"])], "damaged"),
        ([helper.make_node("Relu", ["u"], ["y"]), helper.make_node("Relu", ["y"], ["u"])], "damaged"),  # a circle
        ([helper.make_node("Conv", ["x", "w"], ["y"], group=0)], "'Conv' cannot be run"),
        ([helper.make_node("Conv", ["x", "w"], ["y"], strides=[0, 0])], "'Conv' cannot be run"),
        ([helper.make_node("MaxPool", ["x"], ["y"])], "'MaxPool' cannot be run"),
        ([helper.make_node("GroupNormalization", ["x", "v", "v"], ["y"], num_groups=0)], "cannot be run"),
        ([helper.make_node("Tile", ["x", "many"], ["y"])], "GiB of memory"),
        ([helper.make_node("ConstantOfShape", ["many"], ["c"]), CONV], "GiB of memory"),
        ([helper.make_node("Expand", ["s", "many"], ["c"]), helper.make_node("Neg", ["c"], ["y"])], "GiB of memory"),
        ([helper.make_node("Range", ["zero", "one", "zero"], ["c"]), CONV], "'Range' cannot be run"),
        ([helper.make_node("Reshape", ["x", "s"], ["r"]), helper.make_node("Reshape", ["x", "x"], ["y"])], "cannot be"),
        ([helper.make_node("Reshape", ["x", "x"], ["y"])], "depend on the image"),
        ([helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(KERNEL[:1]))], "does not depend on"),
    ],
    ids=lambda value: value[0].op_type if isinstance(value, list) else "",
)
def test_what_cannot_be_read_is_named(nodes, match):
    constants = {
        "s": np.float32(0.1),
        "true": np.asarray(True),
        "v": np.ones(3, np.float32),
        "many": np.asarray([2**12, 2**12, 2**8, 2**8]),
        "zero": np.asarray(0),
        "one": np.asarray(1),
    }
    refused(network(*nodes, constants=constants), match)


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "what"),
    [
        ("Cast", (), {"to": TensorProto.STRING}, "to text"),
        ("Constant", (), {"value_string": b"text"}, "sparse or text"),
        ("PRelu", ("map",), {}, "differ over space"),
        ("LRN", (), {"size": 4}, "even number of channels"),
        ("ConvTranspose", ("w",), {"pads": [0, 0, 1, 1]}, "uneven padding"),
        ("ConvTranspose", ("w",), {"auto_pad": "SAME_UPPER"}, "uneven padding"),
        ("AveragePool", (), {"kernel_shape": [2, 2], "dilations": [2, 2]}, "with dilation"),
        ("GlobalMaxPool", (), {}, "one to three axes"),
        ("ArgMax", (), {"select_last_index": 1}, "the last of several"),
        ("CumSum", ("one",), {"reverse": 1}, "backwards"),
        ("CumSum", ("one",), {"exclusive": 1}, "without its own value"),
        ("Resize", ("", "scales"), {}, "batch or the channels"),
        ("GatherND", ("places",), {"batch_dims": 1}, "by samples"),
        ("ScatterND", ("places", "x"), {"reduction": "add"}, "adds up"),
        ("Attention", ("x", "x", "", "x"), {}, "earlier tokens"),
        ("Attention", ("x", "x"), {"softcap": 2.0}, "earlier tokens"),
    ],
)
def test_a_form_of_an_operator_that_is_not_read_is_named_with_the_operator(op, operands, attributes, what):
    constants = {
        "map": np.ones((3, 8, 8), np.float32),
        "one": np.asarray(1),
        "scales": np.asarray([1, 2, 2, 2], np.float32),
        "places": np.zeros((1, 1), np.int64),
    }
    given = [] if op == "Constant" else ["x", *operands]
    node = helper.make_node(op, given, ["y"], name="n1", **attributes)
    shape = (1, 3) if op == "GlobalMaxPool" else SHAPE
    error = refused(network(node, constants=constants, shape=shape), rf"'{op}' \(node 'n1'\) .*{what}", shape)
    assert "Export the network again without it" in error.hint


@pytest.mark.parametrize("end", [("Cast", {"to": 1}), ("MaxUnpool", {"kernel_shape": [2, 2]})], ids=lambda end: end[0])
def test_a_second_output_that_is_not_given_is_no_damage(end):
    """Where maxima came from, which nobody but their way back asks."""
    pool = helper.make_node("MaxPool", ["x"], ["p", "places"], kernel_shape=[2, 2], strides=[2, 2])
    op, attributes = end
    given = ["places"] if op == "Cast" else ["p", "places"]
    match = "more than the first output of the ONNX operator 'MaxPool'" if op == "Cast" else "'MaxUnpool' is not"
    refused(network(pool, helper.make_node(op, given, ["y"], **attributes)), match)
    refused(files.model([pool], SHAPE, outputs=("p", "places")), "more than the first output")


def part(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""
    length, size = len(content), b""
    while True:
        size += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + size + content


def test_loops_are_not_supported_and_deep_branches_neither():
    body = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["i"])], "body", [], [helper.make_empty_tensor_value_info("i")]
    )
    refused(network(helper.make_node("Loop", ["", "", "x"], ["y"], body=body)), "'Loop' is not supported")
    refused(network(helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)), "'Scan' is not supported")
    attribute = onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH).SerializeToString()
    inner = body.SerializeToString()
    for _ in range(5000):  # a node with an attribute with a graph with a node, by their numbers in the format
        node = onnx.NodeProto(op_type="If", input=["true"], output=["i"]).SerializeToString()
        inner = part(1, node + part(5, attribute + part(6, inner)))
    refused(onnx.ModelProto(ir_version=8).SerializeToString() + part(7, inner), "damaged")


def test_a_branch_is_followed_when_the_image_does_not_decide_it():
    def branch(op):
        return helper.make_graph(
            [helper.make_node(op, ["c"], ["i"])], op, [], [helper.make_empty_tensor_value_info("i")]
        )

    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg"))
    first = helper.make_node("Conv", ["x", "w"], ["c"])
    images = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    for yes in (True, False):
        content = network(first, node, constants={"yes": np.asarray(yes)}).SerializeToString()
        found = files.read(content, SHAPE)(torch.from_numpy(images))
        np.testing.assert_allclose(found, files.runtime(content, images)[0], rtol=1e-4, atol=1e-6)
    greater = helper.make_node("Greater", ["x", "zero"], ["yes"])
    refused(network(first, greater, node, constants={"zero": np.float32(0)}), "depend on the image")


def function(name: str, used: str) -> onnx.FunctionProto:
    """Uses another function twice."""
    domain = "" if used == "Relu" else "own"
    nodes = [
        helper.make_node(used, [given], [made], domain=domain) for given, made in (("x", "between"), ("between", "y"))
    ]
    return helper.make_function(
        "own", name, ["x"], ["y"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    )


def with_functions(*functions):
    model = network(CONV, helper.make_node("F0", ["y"], ["v"], domain="own"), helper.make_node("Neg", ["v"], ["y2"]))
    model.graph.node[3].input[0] = "y2"
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def test_functions_of_the_file_are_put_in_their_places():
    content = with_functions(function("F0", "F1"), function("F1", "Relu")).SerializeToString()
    assert [node.op_type for node in parsed(content).graph.node].count("Relu") == 4
    images = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    found = files.read(content, SHAPE)(torch.from_numpy(images))
    np.testing.assert_allclose(found, files.runtime(content, images)[0], rtol=1e-4, atol=1e-6)


def test_functions_that_double_without_end_are_refused_before_they_are_copied():
    twice = [function(f"F{k}", f"F{k + 1}" if k < 39 else "Relu") for k in range(40)]  # 2^40 operators
    refused(with_functions(*twice), "without end")
    refused(with_functions(function("F0", "F1"), function("F1", "F0")), "without end")
    refused(with_functions(*[function(f"F{k}", f"F{k + 1}") for k in range(2000)]), "without end")


@pytest.mark.parametrize("opset", [6, 99])
def test_other_versions_of_the_operators_are_refused_by_their_number(opset):
    refused(network(CONV, opset=opset), f"version {opset} of the operators")


def test_an_image_is_one_input_of_numbers():
    two = network(CONV)
    two.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1, 1]))
    refused(two, "takes 2 inputs")
    refused(network(CONV, kind=TensorProto.STRING), "does not take an image of numbers")
    refused(network(CONV), "input of 1 x 3 x 8 x 8, and model.toml describes 1 x 1 x 8 x 8", (1, 1, 8, 8))
    refused(network(CONV), "input of 1 x 3 x 8 x 8, and model.toml describes 1 x 3 x 8 x 8 x 8", (1, 3, 8, 8, 8))


@pytest.mark.parametrize(
    "name", ["a." * 3000 + "b", "/" + "a/" * 3000 + "b", "a/" * 3000, "forward", "/./../x", "_modules", " "]
)
def test_any_name_of_a_node_can_be_that_of_a_layer(name):
    found = files.read(network(helper.make_node("Conv", ["x", "w"], ["y"], name=name)).SerializeToString(), SHAPE)
    assert found(torch.zeros(SHAPE)).shape == (1, 4)
    assert [one.weight.shape for one in found.modules() if isinstance(one, torch.nn.Conv2d)] == [KERNEL.shape]


def test_weights_that_older_files_list_as_inputs_are_none():
    model = network(CONV)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, KERNEL.shape))
    assert files.read(model.SerializeToString(), SHAPE)(torch.zeros(SHAPE)).shape == (1, 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x07",
        b"\x08\x0a not a network",
        bytes(range(256)) * 20,
        network(CONV).SerializeToString()[:-30],
        network(CONV).SerializeToString()[:200],
        onnx.ModelProto(ir_version=8).SerializeToString(),
    ],
)
def test_damaged_files_are_said_to_be_damaged(content):
    refused(content, "damaged|uses version 0")


def test_no_change_of_a_byte_brings_anything_but_an_answer_or_a_sentence():
    sound = bytearray(network(CONV, opset=17).SerializeToString())
    generator = np.random.default_rng(0)
    start = sound.find(KERNEL.tobytes())
    places = [k for k in range(len(sound)) if not start <= k < start + KERNEL.nbytes]
    for place in generator.choice(places, 150, replace=False):
        changed = bytearray(sound)
        changed[place] ^= int(generator.integers(1, 256))
        try:
            files.read(bytes(changed), SHAPE)
        except UserError as error:
            assert error.hint  # noqa: PT017 - either outcome is right


def test_tensors_must_be_what_they_say():
    def changed(**fields):
        model = network(CONV)
        tensor = model.graph.initializer[0]
        for key, value in fields.items():
            if key == "dims":
                del tensor.dims[:]
                tensor.dims.extend(value)
            else:
                setattr(tensor, key, value)
        return model

    refused(changed(dims=[2**20, 2**20]), "tensor 'w' .* GiB of memory")
    refused(changed(dims=[4, 3, 3, -3]), "damaged")
    refused(changed(dims=[4, 3, 3, 4]), "bytes, which does not fit its shape")
    refused(changed(raw_data=b"short"), "5 bytes, which does not fit its shape")
    refused(changed(data_type=TensorProto.STRING), "holds text, complex numbers or numbers of less than 8 bits")
    refused(changed(data_type=TensorProto.INT4), "less than 8 bits")
    refused(changed(data_type=0), "less than 8 bits")
    refused(network(CONV, constants={"w": np.full_like(KERNEL, np.nan)}), r"not numbers \(NaN\).*weight")


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        (TensorProto.FLOAT, 1e-6),
        (TensorProto.DOUBLE, 1e-6),
        (TensorProto.FLOAT16, 2e-3),
        (TensorProto.BFLOAT16, 2e-2),
    ],
)
def test_weights_of_every_precision_and_storing_are_read_as_float32(kind, tolerance, raw):
    """A tensor keeps its numbers as bytes or as numbers of the message; then the network casts them."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    values = KERNEL.astype(dtype)
    stored = values.tobytes() if raw else KERNEL.ravel().tolist()
    model = network(helper.make_node("Cast", ["k"], ["w32"], to=1), helper.make_node("Conv", ["x", "w32"], ["y"]))
    model.graph.initializer.append(helper.make_tensor("k", kind, KERNEL.shape, stored, raw=raw))
    images = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    expected = files.runtime(network(CONV).SerializeToString(), images)[0]
    found = files.read(model.SerializeToString(), SHAPE)
    assert all(one.dtype == torch.float32 for one in found.parameters())
    np.testing.assert_allclose(found(torch.from_numpy(images)), expected, rtol=tolerance, atol=tolerance)


def package(folder: Path, location: str, length: str | None = None, data: dict[str, bytes] | None = None) -> Path:
    """A package whose kernel lies in another file."""
    model = network(CONV)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": "4", **({} if length is None else {"length": length})}
    tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in entries.items())
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_text(CARD, encoding="utf-8")
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    for name, content in (data or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


DATA = b"head" + KERNEL.tobytes()


def answer(classifier) -> np.ndarray:
    return classifier.network(torch.ones(SHAPE)).numpy()


def test_data_beside_the_file_is_read_and_is_part_of_the_model(tmp_path):
    expected = files.runtime(network(CONV).SerializeToString(), np.ones(SHAPE, np.float32))[0]
    first = load_package(package(tmp_path / "a", "net.onnx.data", str(KERNEL.nbytes), {"net.onnx.data": DATA}))
    np.testing.assert_allclose(answer(first), expected, rtol=1e-4, atol=1e-6)
    deeper = load_package(package(tmp_path / "b", "./data/../data/w.bin", None, {"data/w.bin": DATA}))
    np.testing.assert_allclose(answer(deeper), answer(first))
    other = b"head" + (2 * KERNEL).tobytes()
    second = load_package(package(tmp_path / "c", "net.onnx.data", None, {"net.onnx.data": other}))
    third = load_package(package(tmp_path / "d", "net.onnx.data", None, {"net.onnx.data": DATA}))
    assert second.model_hash != third.model_hash


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/hostname", "..\\secret", "data/../../secret", "C:\\secret", "C:/secret", "", "."]
)
def test_data_outside_of_the_package_is_not_read(tmp_path, location):
    (tmp_path / "secret").write_bytes(DATA)
    with pytest.raises(UserError) as caught:
        load_package(package(tmp_path / "package", location))
    assert "outside of the model package" in caught.value.message or location == "."
    assert "hostname" not in str(caught.value)


def test_a_link_to_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(DATA)
    folder = package(tmp_path / "package", "net.onnx.data")
    link = folder / "net.onnx.data"
    try:
        link.symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("links need rights here")
    with pytest.raises(UserError, match="outside of the model package"):
        load_package(folder)
    link.unlink()
    link.symlink_to("net.onnx.data")  # to itself
    with pytest.raises(UserError, match=r"outside of the model package|is not there"):
        load_package(folder)


@pytest.mark.parametrize(
    ("data", "length", "match"),
    [
        (None, None, "keeps weights in the file 'net.onnx.data', which is not there"),
        (DATA[:-1], None, "lies outside of the data file 'net.onnx.data', or has another length"),
        (DATA, str(KERNEL.nbytes - 4), "another length"),
        (DATA, "-1", "another length"),
        (DATA, "many", "damaged"),
        (DATA, str(2**70), "another length"),
    ],
)
def test_data_of_another_length_is_refused(tmp_path, data, length, match):
    folder = package(tmp_path / "p", "net.onnx.data", length, {} if data is None else {"net.onnx.data": data})
    with pytest.raises(UserError, match=match):
        load_package(folder)


def test_a_data_file_that_is_larger_than_memory_is_not_read(tmp_path, monkeypatch):
    folder = package(tmp_path / "p", "net.onnx.data", None, {"net.onnx.data": DATA})
    os.truncate(folder / "net.onnx.data", 2**28)
    monkeypatch.setattr("saliency_viewer.runtime.memory.free_bytes", lambda: 2**27)
    with pytest.raises(UserError, match=r"A file of the model package needs 0\.2 GiB of memory, and 0\.1 GiB are free"):
        load_package(folder)


def test_data_that_was_changed_is_noticed_by_its_sum(tmp_path):
    folder = package(tmp_path / "p", "net.onnx.data", None, {"net.onnx.data": DATA})
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  net.onnx.data\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"'net\.onnx\.data' is not the one"):
        load_package(folder)


def test_a_checkpoint_takes_its_data_along(tmp_path):
    folder = package(tmp_path / "p", "net.onnx.data", None, {"net.onnx.data": DATA})
    content = read_checkpoint(folder / "net.onnx")
    images = np.ones(SHAPE, np.float32)
    np.testing.assert_allclose(
        files.runtime(content, images)[0], files.runtime(network(CONV).SerializeToString(), images)[0], rtol=1e-6
    )
    (folder / "net.onnx.data").unlink()
    with pytest.raises(UserError, match="which is not there"):
        read_checkpoint(folder / "net.onnx")


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch):
    content = network(CONV).SerializeToString()
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'pip install "saliency-viewer[onnx]"' in refused(content, "need the library onnx").hint
