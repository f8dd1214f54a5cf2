"""Program files that would do more than to compute, or are not what they say: refused before torch sees them."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile

import pytest
import torch
import torch_programs as files
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.exported.sizes import OF_SIZES
from saliency_viewer.models.recognition.forms import EXPORTED, TORCHSCRIPT
from saliency_viewer.models.recognition.programs import program_candidate

SHAPE = (1, 1, 8, 8)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)) * self.scale)


@pytest.fixture(scope="module")
def script():
    return files.scripted(Small().eval(), SHAPE, "script")


@pytest.fixture(scope="module")
def program():
    return files.exported(Small().eval(), SHAPE)


def with_line(content, line, place="    conv = self.conv\n"):
    """The TorchScript program with another line of source before its first."""

    def change(name, data):
        if not name.endswith("code/__torch__/torch_programs.py") and place.encode() not in data:
            return data
        return data.replace(place.encode(), line.encode() + b"\n" + place.encode())

    found = files.changed(content, change)
    assert found != files.changed(content, lambda _name, data: data)
    return found


def refused(architecture, content, match):
    with pytest.raises(UserError, match=match) as caught:
        files.opened(architecture, content, SHAPE)
    assert caught.value.hint
    return caught.value


# --- TorchScript ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        'torch.save(x, "{}")',
        'torch.autograd.save(x, "{}")',
        'y = torch\n    y.save(x, "{}")',
        'y = torch.save\n    y(x, "{}")',
        'getattr(torch, "save")(x, "{}")',
        'ops.aten.save(x, "{}")',
        'y = ops.aten\n    y.save(x, "{}")',
        'z = ops\n    z.aten.save(x, "{}")',
    ],
)
def test_source_that_writes_files_is_never_run(script, tmp_path, line):
    """Each of these lines writes the file when torch itself runs the program."""
    target = tmp_path / "written"
    content = with_line(script, "    " + line.format(target))
    refused("torchscript", content, "does not run")
    assert program_candidate(content, TORCHSCRIPT).outputs == 0
    assert not target.exists()
    whole = torch._C.import_ir_module_from_buffer(torch._C.CompilationUnit(), content, None, {}, False)
    whole._get_method("forward")(torch.zeros(SHAPE))
    assert target.exists()


@pytest.mark.parametrize(
    "line",
    [
        'y = torch.from_file("name", True, 10)',
        "x.resize_([1000])",
        'y = getattr(x, "resize_")',
        "torch.set_(x, x)",
        "y = torch.as_strided_(x, [100], [1])",
        "y = ops.quantized.relu6(x)",
        "y = ops.torchvision.nms(x, x, 0.5)",
        'print("pixels", x)',
        "y = ops.prim.rpc_sync(x)",
        "y = __torch__.torch.classes.rnn.CellParamsBase()",
        "n = __torch__.torch\n    y = n.classes.rnn.CellParamsBase()",
        "y = 1  # no comment",
        "y = 1 $ 2",
        "y = 'torch'",
        'y = """torch"""',
        'y = r"torch"',
        "y = " + "(" * 150 + "1" + ")" * 150,
        "y = 1" + " + 1" * 3000,
    ],
)
def test_source_that_touches_memory_or_is_not_as_torch_writes_it_is_refused(script, line):
    refused("torchscript", with_line(script, "    " + line), "does not run|damaged")


def test_defaults_of_arguments_are_not_run_while_loading(script, tmp_path):
    target = tmp_path / "written"
    target.write_bytes(bytes(8))
    call = f'x: Tensor, y: Tensor=torch.from_file("{target}", True, 1000)) -> Tensor:'
    content = files.changed(script, lambda _name, data: data.replace(b"x: Tensor) -> Tensor:", call.encode()))
    refused("torchscript", content, "from_file")
    assert target.stat().st_size == 8


def test_code_that_runs_while_loading_is_refused(script):
    method = "  def __setstate__(self, state: int) -> NoneType:\n    return None"
    content = with_line(script, method, place="  def forward(self")
    refused("torchscript", content, "runs while it is loaded")


def test_upper_case_names_do_not_hide_source(script, tmp_path):
    """Torch's zip reader does not tell upper from lower case."""
    target = tmp_path / "written"
    evil = with_line(script, f'    torch.save(x, "{target}")')
    hidden = files.changed(evil, lambda name, data: (name.replace("/code/", "/CODE/"), data))
    with pytest.raises(UserError):
        files.opened("torchscript", hidden, SHAPE)

    both = io.BytesIO(script)
    with zipfile.ZipFile(both, "a") as archive, zipfile.ZipFile(io.BytesIO(evil)) as other:
        name = next(name for name in other.namelist() if name.endswith(".py") and b"torch.save" in other.read(name))
        archive.writestr(name.upper().replace(".PY", ".py"), other.read(name))
    files.opened("torchscript", both.getvalue(), SHAPE)(torch.zeros(SHAPE))
    assert not target.exists()


def test_a_name_twice_is_refused(script):
    twice = io.BytesIO(script)
    with zipfile.ZipFile(twice, "a") as archive:
        name = next(name for name in archive.namelist() if name.endswith(".py"))
        archive.writestr(name.replace("torch", "Torch"), b"class A(Module):\n  pass\n")
    refused("torchscript", twice.getvalue(), "damaged")


# Of a second one in the same process torch mangles the name.
CONVOLUTION = rb"c__torch__\.torch\.nn\.modules\.conv[\w.]*\nConv2d"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"K\x02tQ", b"K\x82tQ"),  # the storage says that it has 130 elements
        (rb"K\x00\(K\x02t", b"K\x00(K\x82t"),  # a tensor of 130 elements
        (rb"K\x00\(K\x02t", b"K\x7f(K\x02t"),  # 127 elements on
        (rb"K\x00\(K\x02t", b"K\x00(J\xff\xff\xff\xfft"),  # of a negative size
        (rb"torch\.jit\._pickle\nbuild_intlist", b"torch.jit._pickle\nother_intlist"),
        (CONVOLUTION, b"c__torch__.torch.classes.rnn\nCellParamsBase"),
        (CONVOLUTION, b"cos\nsystem"),
    ],
)
def test_pickles_that_lie_or_name_foreign_objects_are_refused(script, before, after):
    def change(name, data):
        if not name.endswith("/data.pkl"):
            return data
        changed, found = re.subn(before, lambda _: after, data, count=1)
        assert found
        return changed

    refused("torchscript", files.changed(script, change), "damaged|not its own")


@pytest.mark.parametrize("part", [0.2, 0.7, 0.99])
def test_files_that_end_early_are_damaged(script, program, part):
    for architecture, content in (("torchscript", script), ("exported", program)):
        refused(architecture, content[: int(part * len(content))], "damaged")


@pytest.mark.parametrize("name", ["data/0", "constants.pkl", "data.pkl", "version"])
def test_missing_members_are_said(script, name):
    content = files.changed(script, lambda path, data: None if path.endswith(name) else data)
    with pytest.raises(UserError) as caught:
        files.opened("torchscript", content, SHAPE)
    assert caught.value.hint


def test_members_outside_the_archive_are_left_alone(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slip = io.BytesIO(script)
    with zipfile.ZipFile(slip, "a") as archive:
        archive.writestr("../outside.py", "evil")
        archive.writestr("archive/code/../../../outside.py", "evil")
    files.opened("torchscript", slip.getvalue(), SHAPE)
    assert not list(tmp_path.rglob("*"))
    assert not (tmp_path.parent / "outside.py").exists()


@pytest.mark.parametrize("architecture", ["torchscript", "exported"])
def test_a_zip_bomb_is_refused_by_what_it_says(script, program, architecture, monkeypatch):
    content = io.BytesIO(script if architecture == "torchscript" else program)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{top}/data/bomb", bytes(2**24))
        archive.writestr(f"{top}/data/constants/model.pt", bytes(2**24))
    monkeypatch.setattr("saliency_viewer.runtime.memory.free_bytes", lambda: 2**23)
    refused(architecture, content.getvalue(), "GiB of memory")


# --- one kind of file under the name of another ---------------------------------------------------------------------


def test_files_of_another_kind_are_named(script, program):
    stream = io.BytesIO()
    torch.save(Small().state_dict(), stream)
    state = stream.getvalue()
    assert "exported" in refused("torchscript", program, "torch.export").hint
    assert "torchscript" in refused("exported", script, "TorchScript program").hint
    assert "architecture" in refused("torchscript", state, "list of weights").hint
    assert "architecture" in refused("exported", state, "list of weights").hint
    for architecture in ("torchscript", "exported"):
        refused(architecture, b"no archive at all", "damaged")
        refused(architecture, b"", "damaged")


# --- torch.export ---------------------------------------------------------------------------------------------------


def with_graph(content, change):
    """The program with its description changed in place."""

    def rewrite(name, data):
        if not name.endswith("models/model.json"):
            return data
        found = json.loads(data)
        change(found)
        return json.dumps(found).encode()

    return files.changed(content, rewrite)


def nodes(found):
    return found["graph_module"]["graph"]["nodes"]


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten._debug_has_internal_overlap.default",
        "torch.ops.mine.custom.default",
        "torch.ops.aten.__class__.default",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu.out",
        "torch.serialization.os.system",
        "torch.load",
        "os.system",
        "_operator.attrgetter",
        "builtins.eval",
        "math.exp",
    ],
)
def test_only_operators_that_compute_are_run(program, target):
    content = with_graph(program, lambda found: nodes(found)[0].update(target=target))
    refused("exported", content, "does not run|no operator|damaged")


def test_expressions_of_sizes_are_never_evaluated(program, tmp_path):
    """torch.export.load hands them to sympy, which hands them to eval."""
    target = tmp_path / "written"
    code = f"__import__('pathlib').Path({str(target)!r}).touch()"

    def change(found):
        for meta in found["graph_module"]["graph"]["tensor_values"].values():
            for size in meta["sizes"]:
                size.clear()
                size["as_expr"] = {"expr_str": code, "hint": {"as_int": 8}}
        found["range_constraints"] = {code: {"min_val": 1, "max_val": 9}}
        found["graph_module"]["signature"]["guards_code"] = [code]
        found["guards_code"] = [code]

    files.opened("exported", with_graph(program, change), SHAPE)(torch.zeros(SHAPE))
    program_candidate(with_graph(program, change), EXPORTED)
    assert not target.exists()


class Runs:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (self.target, "w")


@pytest.mark.parametrize("place", ["weights", "constants"])
def test_pickled_objects_are_not_opened(program, tmp_path, place):
    target = tmp_path / "written"
    evil = pickle.dumps(Runs(str(target)), 2)

    def change(name, data):
        if name.endswith(f"{place}_config.json"):
            meta = json.loads(data)
            entry = {"path_name": "evil", "is_param": False, "use_pickle": True, "tensor_meta": None}
            meta["config"] = {**meta.get("config", {}), "evil": entry}
            return json.dumps(meta).encode()
        return data

    stream = io.BytesIO(files.changed(program, change))
    with zipfile.ZipFile(stream, "a") as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{top}/data/{place}/evil", evil)
    refused("exported", stream.getvalue(), "could run any code")

    old = io.BytesIO(program)
    with zipfile.ZipFile(old, "a") as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{top}/data/{place}/model.pt", evil)
    refused("exported", old.getvalue(), "run any code|damaged|holds no weights|pickled")
    assert not target.exists()


def test_constants_without_names_are_said(program):
    constants = io.BytesIO()
    torch.save(torch.ones(2), constants)
    stream = io.BytesIO(program)
    with zipfile.ZipFile(stream, "a") as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{top}/data/constants/model.pt", constants.getvalue())
    refused("exported", stream.getvalue(), "no weights by name")


def test_custom_objects_are_not_opened(program):
    def change(found):
        found["graph_module"]["signature"]["input_specs"][0] = {
            "custom_obj": {"arg": {"name": "p", "class_fqn": "x"}, "custom_obj_name": "p"}
        }

    refused("exported", with_graph(program, change), "Python object")


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": [{"as_int": 2**40}], "strides": [{"as_int": 0}]},
        {"sizes": [{"as_int": 100}], "strides": [{"as_int": 1}]},
        {"sizes": [{"as_int": 2}], "strides": [{"as_int": 1000}]},
        {"sizes": [{"as_int": -2}], "strides": [{"as_int": 1}]},
        {"sizes": [{"as_int": 2}], "strides": [{"as_int": -1}]},
        {"sizes": [{"as_int": True}]},
        {"sizes": [{"as_expr": {"expr_str": "2"}}]},
        {"sizes": [{"as_int": 2}, {"as_int": 1}]},
        {"storage_offset": {"as_int": 2**60}},
        {"storage_offset": {"as_int": -1}},
        {"sizes": [{"as_int": 0}, {"as_int": 2**62}, {"as_int": 8}], "strides": [{"as_int": 1}] * 3},
        {"dtype": 9},
        {"dtype": 77},
    ],
)
def test_weights_that_lie_about_their_layout_are_refused(program, change):
    def rewrite(name, data):
        if not name.endswith("model_weights_config.json"):
            return data
        meta = json.loads(data)
        meta["config"]["scale"]["tensor_meta"].update(change)
        return json.dumps(meta).encode()

    refused("exported", files.changed(program, rewrite), "larger than|damaged|kind that is not read")


@pytest.mark.parametrize(
    ("name", "given"),
    [("pow", (9, 9**9)), ("pow", (2, 9)), ("mul", (2**40, 2**40)), ("mul", ([0], 10**9)), ("add", ("a", "b"))],
)
def test_sizes_cannot_grow_beyond_all_memory(name, given):
    with pytest.raises((ValueError, TypeError), match="size"):
        OF_SIZES[f"_operator.{name}"](*given)


def test_sizes_are_computed_as_python_does():
    assert OF_SIZES["_operator.pow"](7, 2) == 49
    assert OF_SIZES["_operator.floordiv"](-7, 2) == -4
    assert OF_SIZES["_operator.lt"](3, 4) is True


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("graph_module"),
        lambda found: found["graph_module"].pop("signature"),
        lambda found: nodes(found)[0]["inputs"].clear(),
        lambda found: nodes(found)[0]["inputs"][0].update(arg={"as_tensor": {"name": "nobody"}}),
        lambda found: nodes(found)[0]["inputs"][0].update(arg={"as_graph": {}}),
        lambda found: nodes(found)[0].update(inputs=7),
        lambda found: nodes(found).clear(),
        lambda found: found.update(schema_version={"major": 99, "minor": 1}),
        lambda found: found.update(schema_version=[]),
        lambda found: found["graph_module"]["graph"].update(outputs=[]),
    ],
)
def test_graphs_that_are_none_are_user_errors(program, change):
    refused("exported", with_graph(program, change), "program")
