"""Whole packages: written, zipped, loaded, and every way they can be wrong."""

from __future__ import annotations

import hashlib
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models import check_package, layer_tree, load_package, parse_card, write_package
from saliency_viewer.models.architectures import build_network
from saliency_viewer.models.files import FolderFiles, MemoryFiles, open_files
from saliency_viewer.models.recognition import inspect_checkpoint

CODE = """
from dataclasses import dataclass
import torch

class Net(torch.nn.Module):
    def __init__(self, outputs=2):
        super().__init__()
        self.head = torch.nn.Linear(4, outputs)
    def forward(self, x):
        return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))
"""
PYTHON = 'name = "t"\narchitecture = "python:net.py:Net"'


def linear(outputs=2):
    torch.manual_seed(0)
    return {"head.weight": torch.randn(outputs, 4), "head.bias": torch.randn(outputs)}


def python_package(make, folder, outputs=2, code=CODE, **tables):
    tables.setdefault("model", PYTHON + f"\narguments = {{ outputs = {outputs} }}")
    write_package(folder, make.card_text(**tables), linear(outputs))
    (folder / "net.py").write_text(code)
    return folder


def zipped(folder, path, top=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, top + file.name)
    return path


@pytest.mark.parametrize("top", ["", "inside/"])
def test_a_zip_gives_the_same_model_as_its_folder(make, tmp_path, top):
    folder = python_package(make, tmp_path / "package")
    first = load_package(folder, trust_code=True)
    second = load_package(zipped(folder, tmp_path / "p.zip", top), trust_code=True)
    image = make.volume(np.random.default_rng(0).random((1, 20, 20), dtype=np.float32))
    np.testing.assert_array_equal(first.predict(image).logits, second.predict(image).logits)
    assert first.model_hash == second.model_hash


def test_code_runs_only_with_trust_and_the_question_shows_its_hash(make, tmp_path):
    folder = python_package(make, tmp_path / "package", code=CODE + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    asked = []
    for trust in (False, frozenset({"ab"}), lambda digest: asked.append(digest) or False):
        with pytest.raises(UserError, match="Python code"):
            load_package(folder, trust_code=trust)
    assert asked == [hashlib.sha256((folder / "net.py").read_bytes()).hexdigest()]
    assert not (tmp_path / "ran").exists()
    load_package(folder, trust_code=lambda digest: digest == asked[0])
    load_package(folder, trust_code=frozenset(asked))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [("1 / 0", "stopped with an error"), ("def", "stopped with an error"), ("class Nett: pass", "defines no 'Net'")],
)
def test_code_that_does_not_work_is_the_users_to_mend(make, tmp_path, code, message):
    with pytest.raises(UserError, match=message):
        load_package(python_package(make, tmp_path / "package", code=code), trust_code=True)


def test_classes_that_do_not_match_the_head_are_counted(make, tmp_path):
    folder = python_package(make, tmp_path / "package", output='classes = ["a", "b", "c"]')
    with pytest.raises(UserError, match="The package lists 3 classes but the network has 2 outputs"):
        load_package(folder, trust_code=True)


def test_a_package_without_weights_names_the_file(make, tmp_path):
    folder = python_package(make, tmp_path / "package")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"no file 'weights\.safetensors'"):
        load_package(folder, trust_code=True)


def test_changed_weights_are_noticed(make, tmp_path):
    folder = python_package(make, tmp_path / "package")
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="sha256 differs"):
        load_package(folder, trust_code=True)


@pytest.mark.parametrize("name", ["../weights.pt", "/etc/passwd", "a/../../b.pt", "C:\\\\w.pt", "..\\\\w.pt"])
def test_files_outside_the_package_are_never_read(make, tmp_path, name):
    folder = python_package(make, tmp_path / "package")
    card = make.card_text(model=PYTHON + f'\nweights = "{name}"')
    (folder / "model.toml").write_text(card)
    for path in (folder, zipped(folder, tmp_path / "p.zip")):
        with pytest.raises(UserError, match="outside"):
            load_package(path, trust_code=True)


def test_a_zip_with_climbing_names_writes_nothing(make, tmp_path):
    folder = python_package(make, tmp_path / "package")
    path = zipped(folder, tmp_path / "p.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil.txt", "evil")
    before = sorted(tmp_path.rglob("*"))
    load_package(path, trust_code=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("what", ["absent", "empty folder", "text file", "truncated zip"])
def test_what_is_no_package_is_refused(make, tmp_path, what):
    path = tmp_path / "thing"
    if what == "empty folder":
        path.mkdir()
    elif what == "text file":
        path.write_text("hello")
    elif what == "truncated zip":
        whole = zipped(python_package(make, tmp_path / "package"), tmp_path / "p.zip").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        load_package(path)
    assert str(tmp_path) not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize(
    ("architecture", "message", "hint"),
    [
        ("jax:resnet18", "no supported kind", "torchvision:, monai:"),
        ("resnet18", "no supported kind", "torchvision:"),
        ("torchvision:densnet121", "no classifier 'densnet121'", "densenet121"),
        ("monai:DenseNet12", "no network 'DenseNet12'", "DenseNet121"),
        ("monai:torch", "no network", ""),
        ("timm:resnet_18", "no network 'resnet_18'", "resnet18"),
        ("timm:hf-hub:timm/resnet18", "no network", ""),
        ("builtin:nonsense", "no built-in network", "small-cnn"),
        ("python:net.py", "needs a file and a class", "python:network.py:MyNetwork"),
    ],
)
def test_unknown_architectures_are_refused_with_the_near_one(make, tmp_path, architecture, message, hint):
    write_package(tmp_path / "p", make.card_text(model=f'name = "t"\narchitecture = "{architecture}"'), linear())
    with pytest.raises(UserError, match=message) as caught:
        load_package(tmp_path / "p")
    assert hint in caught.value.hint


@pytest.mark.parametrize("argument", ["pretrained = true", 'weights = "DEFAULT"', "num_classs = 2"])
def test_arguments_that_fetch_or_do_not_exist_are_refused(make, tmp_path, argument):
    model = f'name = "t"\narchitecture = "torchvision:resnet18"\narguments = {{ {argument} }}'
    write_package(tmp_path / "p", make.card_text(model=model), linear())
    with pytest.raises(UserError, match="arguments"):
        load_package(tmp_path / "p")


@pytest.mark.parametrize(
    ("architecture", "argument", "hint"),
    [
        ("torchvision:resnet18", "num_classs", "'num_classes'"),
        ("torchvision:densenet121", "drop_ratee", "'drop_rate'"),
        ("torchvision:resnet18", "inchannels", "'in_channels'"),  # ours, not torchvision's
        ("timm:resnet18", "in_chanels", "'in_chans'"),
        ("monai:DenseNet121", "growth_rat", "'growth_rate'"),
        ("builtin:small-cnn-2d", "widht", "'width'"),
        ("python:net.py:Net", "classses", "'classes'"),
        ("python:net.py:Net", "xyz", "It knows: classes"),
        ("python:net.py:Bare", "xyz", "Take it out"),
    ],
)
def test_an_unknown_argument_is_named_with_the_near_one(architecture, argument, hint):
    code = b"""
import torch
class Base(torch.nn.Module):
    def __init__(self, *, classes=2):
        super().__init__()
class Net(Base):
    def __init__(self, **more):
        super().__init__(**more)
def Bare(): return Base()
"""
    needed = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2} if architecture.startswith("monai") else {}
    with pytest.raises(UserError, match=f"has no argument '{argument}'") as caught:
        build_network(architecture, {**needed, argument: 1}, MemoryFiles({"net.py": code}), (), True)
    assert hint in caught.value.hint


def test_missing_arguments_are_named():
    with pytest.raises(UserError, match=r"needs arguments that model.toml does not give: .*'spatial_dims'"):
        build_network("monai:DenseNet121", {"in_channels": 1}, MemoryFiles({}), (), False)


def test_an_input_the_network_cannot_take_is_said_at_once(make, tmp_path):
    code = CODE.replace("adaptive_avg_pool2d(x, 2)", "avg_pool2d(x, 4)")
    with pytest.raises(UserError, match="1 x 1 x 16 x 16"):
        load_package(python_package(make, tmp_path / "p", code=code), trust_code=True)


def test_a_layer_that_is_not_there_is_refused_with_the_near_one(make, tmp_path):
    with pytest.raises(UserError, match="no layer 'haed'") as caught:
        load_package(python_package(make, tmp_path / "p", explain='layer = "haed"'), trust_code=True)
    assert "'head'" in caught.value.hint


def test_a_segmentation_network_is_refused(make, tmp_path):
    folder = python_package(make, tmp_path / "p", model=PYTHON + '\ntask = "segmentation"')
    with pytest.raises(UserError, match="segmentation"):
        load_package(folder, trust_code=True)


def test_writing_replaces_a_package_but_no_other_folder(make, tmp_path):
    folder = tmp_path / "package"
    write_package(folder, make.card_text(), linear())
    write_package(folder, make.card_text(model=PYTHON), linear(3))
    assert sorted(file.name for file in folder.iterdir()) == ["SHA256SUMS", "model.toml", "weights.safetensors"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="other files"):
        write_package(other, make.card_text(), linear())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other", "package"]


def test_a_failed_write_leaves_the_old_package(make, tmp_path, monkeypatch):
    folder = tmp_path / "package"
    write_package(folder, make.card_text(), linear())
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("saliency_viewer.models.package_writing._fill", full_disk)
    with pytest.raises(UserError, match="disk is full"):
        write_package(folder, make.card_text(model=PYTHON), linear(3))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["package"]


@pytest.mark.parametrize("name", ["densenet121", "resnet18"])
def test_torchvision_networks_load_and_answer_as_the_original(make, tmp_path, name, monkeypatch):
    import torchvision

    def no_network(*args, **kwargs):
        raise AssertionError("tried to download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    network = torchvision.models.get_model(name, weights=None, num_classes=2).eval()
    model = f'name = "t"\narchitecture = "torchvision:{name}"\narguments = {{ num_classes = 2 }}'
    text = make.card_text(model=model, inputs="channels = 3\nsize = [64, 64]")
    write_package(tmp_path / "p", text, network.half().state_dict())
    loaded = load_package(tmp_path / "p")
    image = make.volume(np.random.default_rng(0).random((1, 64, 64), dtype=np.float32))
    network.float()
    with torch.no_grad():
        theirs = network(loaded.prepare(image).inputs)[0]
    np.testing.assert_allclose(loaded.predict(image).logits, theirs.numpy(), atol=1e-6)
    assert "Output: 2" in "".join(check_package(tmp_path / "p"))


def test_inception_loads_with_and_without_its_auxiliary_head(make, tmp_path):
    import torchvision

    model = 'name = "t"\narchitecture = "torchvision:inception_v3"\narguments = { num_classes = 2 }'
    text = make.card_text(model=model, inputs="channels = 3\nsize = [80, 80]")
    network = torchvision.models.inception_v3(weights=None, num_classes=2, init_weights=False)
    state = network.state_dict()
    for weights in (state, {key: value for key, value in state.items() if "AuxLogits" not in key}):
        write_package(tmp_path / "p", text, weights)
        assert load_package(tmp_path / "p").outputs == 2


def test_a_monai_3d_network_loads_and_projects(make, tmp_path):
    from monai.networks.nets import DenseNet121

    network = DenseNet121(spatial_dims=3, in_channels=1, out_channels=2, init_features=8, growth_rate=4)
    arguments = "spatial_dims = 3, in_channels = 1, out_channels = 2, init_features = 8, growth_rate = 4"
    model = f'name = "t"\narchitecture = "monai:DenseNet121"\narguments = {{ {arguments} }}'
    text = make.card_text(model=model, inputs='layout = "3d"\nsize = [32, 32, 32]')
    write_package(tmp_path / "p", text, network.state_dict())
    loaded = load_package(tmp_path / "p")
    image = make.volume(np.random.default_rng(0).random((20, 40, 30), dtype=np.float32))
    prepared = loaded.prepare(image)
    assert loaded.predict(image).logits.shape == (2,)
    assert loaded.project(prepared.inputs, prepared).shape == (20, 40, 30)


@pytest.mark.parametrize(
    "wrap", [lambda y: (y, 0), lambda y: {"logits": y, "features": 0}, lambda y: y[..., None, None]]
)
def test_the_main_output_of_several_is_taken(make, wrap):
    class Several(nn.Module):
        def forward(self, x):
            return wrap(torch.stack([x.flatten(1).sum(1), x.flatten(1).mean(1)], dim=1))

    assert make.classifier(Several()).outputs == 2


@pytest.mark.parametrize("wrap", [lambda y: {"a": y, "b": y}, lambda y: "text", lambda y: y.reshape(1, 2, 8, 16)])
def test_outputs_that_are_no_class_scores_are_refused(make, wrap):
    class Odd(nn.Module):
        def forward(self, x):
            return wrap(x)

    with pytest.raises(UserError, match="network answers with"):
        _ = make.classifier(Odd()).outputs


def test_the_layer_tree_names_every_module_as_torch_does_and_says_which_have_maps(make):
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(2, 2)
    )
    classifier = make.classifier(network, inputs="size = [8, 6]")
    tree = layer_tree(classifier)
    assert [node.path for node in tree.walk()] == [name for name, _ in network.named_modules()]
    assert [node.kind for node in tree.walk()] == [type(m).__name__ for _, m in network.named_modules()]
    assert [child.name for child in tree.children] == ["0", "1", "2"]
    outputs = {node.path: node.output for node in tree.walk()}
    assert (outputs["0"], outputs["1.1"], outputs["2"]) == ((2, 6, 4), (2, 1, 1), (2,))
    assert [node.path for node in tree.walk() if node.has_maps] == ["0", "1.0"]
    assert not any(module._forward_hooks for name, module in network.named_modules() if name)


def test_the_hash_knows_card_weights_and_code(make, tmp_path):
    plain = load_package(python_package(make, tmp_path / "a"), trust_code=True)
    same = load_package(python_package(make, tmp_path / "b"), trust_code=True)
    card = load_package(python_package(make, tmp_path / "c", explain='target = "lesion"'), trust_code=True)
    code = load_package(python_package(make, tmp_path / "d", code=CODE + "\n# changed"), trust_code=True)
    weights = python_package(make, tmp_path / "e")
    text = (weights / "model.toml").read_text()
    write_package(tmp_path / "f", text, {k: v + 1 for k, v in linear().items()}, {"net.py": CODE.encode()})
    weights = tmp_path / "f"
    hashes = {model.model_hash for model in (plain, card, code, load_package(weights, trust_code=True))}
    assert len(hashes) == 4
    assert same.model_hash == plain.model_hash


@pytest.mark.parametrize("added", ["thesis.txt", "data", "report"])
def test_a_package_with_somebodys_files_beside_it_is_never_replaced(make, tmp_path, added):
    folder = tmp_path / "package"
    card, state = make.card_text(), linear()
    write_package(folder, card, state)
    write_package(folder, card, state)  # nothing was added: it may
    if added == "thesis.txt":
        (folder / added).write_text("years of work")
    else:
        (folder / added).mkdir()
    with pytest.raises(UserError, match="holds other files"):
        write_package(folder, card, state)
    assert (folder / added).exists()


def test_a_package_by_hand_is_never_replaced(make, tmp_path):
    card, state = make.card_text(), linear()
    write_package(tmp_path / "package", card, state)
    (tmp_path / "package" / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="holds other files"):
        write_package(tmp_path / "package", card, state)


def test_damaged_members_of_a_zip_are_said(make, tmp_path):
    write_package(tmp_path / "p", make.card_text(), linear())
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (tmp_path / "p").iterdir():
            archive.write(file, file.name)
        start = archive.getinfo("model.toml").header_offset
    content = bytearray(path.read_bytes())
    content[start + 45 : start + 60] = b"\xff" * 15
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        load_package(path)


@pytest.mark.parametrize("version", [99, 0xFFFF])
def test_a_zip_of_a_version_that_nobody_knows_is_refused(make, tmp_path, version):
    write_package(tmp_path / "p", make.card_text(), linear())
    content = bytearray(zipped(tmp_path / "p", tmp_path / "p.zip").read_bytes())
    listed = content.index(b"PK\x01\x02")
    content[listed + 6 : listed + 8] = version.to_bytes(2, "little")
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(UserError, match="not a readable zip"):
        load_package(tmp_path / "p.zip")
    with pytest.raises(UserError):
        inspect_checkpoint(bytes(content))


def test_a_member_of_a_zip_that_is_larger_than_memory_is_not_read(make, tmp_path, monkeypatch):
    write_package(tmp_path / "p", make.card_text(), linear())
    (tmp_path / "p" / "bomb").write_bytes(bytes(2**24))
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (tmp_path / "p").iterdir():
            archive.write(file, file.name)
    files = open_files(tmp_path / "p.zip")
    monkeypatch.setattr("saliency_viewer.runtime.memory.free_bytes", lambda: 2**23)
    assert files.read("model.toml")
    with pytest.raises(UserError, match="A file of the model package needs"):
        files.read("bomb")


def test_a_card_nested_without_end_is_refused():
    with pytest.raises(UserError, match="not valid TOML"):
        parse_card("a = " + "[" * 5000)


def test_a_file_name_without_end_is_no_file(tmp_path):
    assert not FolderFiles(tmp_path).has("a" * 5000)
