"""What a program (a file that is network and weights in one) says about its input and output, read without running it.

Every reader gives what it can: a file that it does not understand gives a candidate without facts, and loading it
says what is wrong.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from saliency_viewer.models.recognition import forms
from saliency_viewer.models.recognition.candidate import Candidate
from saliency_viewer.models.recognition.shapes import Shape

_CHANNELS = 16  # a convolution with more input channels does not read the image
_COLOURS = (1, 3)  # channels of an image
_LARGEST_TEXT = 64 * 2**20  # bytes of a description


def program_candidate(content: bytes, form: forms.Form) -> Candidate:
    """The architecture of a program, with what its file says cheaply."""
    read = _READERS[form]
    try:
        return read(content)
    except Exception:  # any library may raise anything for a foreign file; loading it will say what is wrong
        return Candidate(form.architecture)


def _of_shapes(architecture: str, inputs: Shape, outputs: Shape, channels_last: bool = False) -> Candidate:
    """From (batch, channels, *spatial) and (batch, classes); 0 stands for a size that is free."""
    spatial = inputs[1:-1] if channels_last else inputs[2:]
    channels = inputs[-1 if channels_last else 1]
    size = spatial if all(spatial) else ()
    return Candidate(architecture, {}, outputs[1] if len(outputs) == 2 else 0, len(spatial), channels, size)


def _torchscript(content: bytes) -> Candidate:
    from saliency_viewer.models.programs.torchscript.loading import load_script

    program = load_script(content).module
    shapes = [tuple(value.shape) for key, value in program.state_dict().items() if key.endswith("weight")]
    stem = next((shape for shape in shapes if len(shape) > 2 and shape[1] <= _CHANNELS), None)
    head = next((shape for shape in reversed(shapes) if len(shape) == 2), None)
    if stem is None:
        return Candidate(forms.TORCHSCRIPT.architecture)
    outputs = head[0] if head is not None else 0
    return Candidate(forms.TORCHSCRIPT.architecture, {}, outputs, len(stem) - 2, stem[1])


def _exported(content: bytes) -> Candidate:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if n.endswith((".json",)) and ("/models/" in n or "program" in n)]
        described = json.loads(_text(archive, names[0]))
    graph = described["graph_module"]
    values, signature = graph["graph"]["tensor_values"], graph["signature"]

    def shape(specifications: list[Mapping[str, Any]], kind: str) -> Shape:
        name = next(one[kind]["arg"]["as_tensor"]["name"] for one in specifications if kind in one)
        return tuple(int(size.get("as_int", 0)) for size in values[name]["sizes"])

    inputs, outputs = shape(signature["input_specs"], "user_input"), shape(signature["output_specs"], "user_output")
    return _of_shapes(forms.EXPORTED.architecture, inputs, outputs)


def _onnx(content: bytes) -> Candidate:
    import onnx

    graph = onnx.load_model_from_string(content).graph
    weights = {tensor.name for tensor in graph.initializer}

    def shape(value: Any) -> Shape:
        return tuple(int(size.dim_value) for size in value.type.tensor_type.shape.dim)

    inputs = shape(next(value for value in graph.input if value.name not in weights))
    last = inputs[-1] in _COLOURS and inputs[1] not in _COLOURS and len(inputs) > 3
    found = _of_shapes(forms.ONNX.architecture, inputs, shape(graph.output[0]), last)
    makers = {name: node.op_type.lower() for node in graph.node for name in node.output}
    ending = makers.get(graph.output[0].name, "")
    return replace(found, channels_last=last, activation=ending if ending in ("softmax", "sigmoid") else "")


def _keras(content: bytes) -> Candidate:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.rpartition("/")[2] == "config.json")
        return _of_keras_config(json.loads(_text(archive, name)))


def _keras_old(content: bytes) -> Candidate:
    import h5py

    with h5py.File(io.BytesIO(content), "r") as file:
        return _of_keras_config(json.loads(file.attrs["model_config"]))


def _of_keras_config(config: Mapping[str, Any]) -> Candidate:
    found = list(_mappings(config))
    shapes = (one.get("batch_shape") or one.get("batch_input_shape") for one in found)
    inputs = tuple(int(size or 0) for size in next(shape for shape in shapes if shape))
    dense = [one for one in found if isinstance(one.get("units"), int)]
    outputs = (0, int(dense[-1]["units"])) if dense else ()
    endings = [one["activation"] for one in found if isinstance(one.get("activation"), str)]
    ending = endings[-1] if endings and endings[-1] in ("softmax", "sigmoid") else ""
    return replace(_of_shapes(forms.KERAS.architecture, inputs, outputs, channels_last=True), activation=ending)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a description, in its order."""
    if isinstance(value, Mapping):
        yield value
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inside:
        yield from _mappings(one)


def _text(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST_TEXT:
        raise ValueError("the description is too long to be one")
    return archive.read(name)


_READERS: dict[forms.Form, Callable[[bytes], Candidate]] = {
    forms.TORCHSCRIPT: _torchscript,
    forms.EXPORTED: _exported,
    forms.ONNX: _onnx,
    forms.KERAS: _keras,
    forms.KERAS_OLD: _keras_old,
}
