"""Ensembles of folds: written, loaded whole and one by one, and their lists of cases."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models import (
    case_digest,
    case_table,
    check_package,
    layer_tree,
    load_package,
    parse_card,
    read_card,
    read_case_lists,
    write_ensemble,
    write_package,
)
from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.models.checking import check_files
from saliency_viewer.models.checking.card_faults import card_faults
from saliency_viewer.models.files import open_files

CARD = """
[model]
name = "Folds"
architecture = "builtin:small-cnn-2d"
arguments = { width = 4, downsamplings = 1, num_classes = OUTPUTS }
[output]
classes = ["well", "sick"]
ACTIVATION
[input]
size = [12, 12]
"""


def card(outputs: int = 2, activation: str = "") -> ModelCard:
    return parse_card(CARD.replace("OUTPUTS", str(outputs)).replace("ACTIVATION", activation))


def networks(count: int = 3, outputs: int = 2) -> dict[str, SmallCNN]:
    made = {}
    for number in range(count):
        torch.manual_seed(number)
        made[f"f{number}"] = SmallCNN(2, num_classes=outputs, width=4, downsamplings=1).eval()
    return made


def package(folder, outputs=2, activation="", **lists):
    folds = networks(outputs=outputs)
    states = {name: network.state_dict() for name, network in folds.items()}
    write_ensemble(folder, card(outputs, activation), states, **lists)
    return folder, folds


def volume(make, slices=1):
    return make.volume(np.random.default_rng(5).random((slices, 12, 12), dtype=np.float32))


def test_all_folds_together_answer_with_their_mean_logit(make, tmp_path):
    folder, folds = package(tmp_path / "p")
    image = volume(make)
    with torch.no_grad():
        raw = torch.stack([network(torch.from_numpy(image.array)[None]) for network in folds.values()])
    for fold in ("", "mean"):
        whole = load_package(folder, fold=fold)
        np.testing.assert_allclose(whole.predict(image).logits, raw.mean(0)[0].numpy(), rtol=1e-5)
        assert (whole.fold, [member.fold for member in whole.members]) == ("mean", list(folds))
    inputs = whole.prepare(image).inputs
    torch.testing.assert_close(whole.network(inputs), raw.mean(0))


def test_one_fold_answers_alone(make, tmp_path):
    folder, folds = package(tmp_path / "p")
    image = volume(make)
    hashes = set()
    for name, network in folds.items():
        alone = load_package(folder, fold=name)
        with torch.no_grad():
            expected = network(torch.from_numpy(image.array)[None])[0].numpy()
        np.testing.assert_allclose(alone.predict(image).logits, expected, rtol=1e-5)
        assert (alone.fold, alone.members) == (name, (alone,))
        hashes.add(alone.model_hash)
    assert len(hashes | {load_package(folder).model_hash}) == 4
    with pytest.raises(UserError, match="no fold 'f7'"):
        load_package(folder, fold="f7")


def test_slices_are_averaged_over_the_folds_before_they_become_one_answer(make, tmp_path):
    folder, _ = package(tmp_path / "p")
    image = volume(make, slices=4)
    single = [load_package(folder, fold=name).predict(image).slice_logits for name in ("f0", "f1", "f2")]
    said = load_package(folder).predict(image)
    np.testing.assert_allclose(said.slice_logits, np.mean(single, axis=0), rtol=1e-6)
    assert said.slice_index == int(np.argmax(said.slice_logits[:, 1] - said.slice_logits[:, 0]))


def test_probabilities_are_averaged_as_log_odds(make, tmp_path):
    code = (
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.shift = torch.nn.Parameter(torch.zeros(1))\n"
        "    def forward(self, x):\n        return torch.sigmoid(x.flatten(1).mean(1, keepdim=True) + self.shift)\n"
    )
    text = CARD.replace("builtin:small-cnn-2d", "python:net.py:Net").replace("activation", "")
    text = text.replace("arguments = { width = 4, downsamplings = 1, num_classes = OUTPUTS }", "")
    described = parse_card(text.replace("ACTIVATION", 'activation = "none"'))
    states = {"a": {"shift": torch.tensor([-1.0])}, "b": {"shift": torch.tensor([2.0])}}
    write_ensemble(tmp_path / "p", described, states)
    (tmp_path / "p" / "net.py").write_text(code)
    asked = []
    whole = load_package(tmp_path / "p", trust_code=lambda digest: asked.append(digest) or True)
    assert len(asked) == 1  # not once for every fold
    image = make.volume(np.full((1, 12, 12), 0.25, dtype=np.float32))
    np.testing.assert_allclose(whole.predict(image).logits, [-0.75, 0.75], atol=1e-5)
    found = whole.network(whole.prepare(image).inputs)
    torch.testing.assert_close(torch.logit(found), torch.tensor([[0.75]]), atol=1e-5, rtol=0)


def test_layers_are_those_of_one_fold_and_the_card_may_name_them(tmp_path):
    folder, folds = package(tmp_path / "p")
    names = {node.path for node in layer_tree(load_package(folder)).walk()}
    assert names == {name for name, _ in folds["f0"].named_modules()}
    text = (folder / "model.toml").read_text()
    layer = next(name for name, module in folds["f0"].named_modules() if isinstance(module, torch.nn.Conv2d))
    (folder / "model.toml").write_text(text.replace("[explain]", f'[explain]\nlayer = "{layer}"'))
    assert load_package(folder).card.explain.layer == layer


def test_a_fold_whose_weights_changed_or_are_gone_is_named(tmp_path):
    folder, _ = package(tmp_path / "p")
    content = bytearray((folder / "fold1.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "fold1.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"Fold f1: .*sha256 differs"):
        load_package(folder)
    load_package(folder, fold="f0")
    (folder / "fold1.safetensors").unlink()
    with pytest.raises(UserError, match=r"Fold f1: .*fold1\.safetensors"):
        load_package(folder)


def spoilt(kind, state):
    if kind == "other classes":
        torch.manual_seed(0)
        return SmallCNN(2, num_classes=3, width=4, downsamplings=1).state_dict()
    if kind == "left over":
        return {**state, "more.weight": torch.zeros(2)}
    if kind == "dead":
        return {key: torch.zeros_like(value) for key, value in state.items()}
    value = float("inf" if kind == "infinite" else "nan")
    return {key: torch.full_like(one, value) if one.is_floating_point() else one for key, one in state.items()}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("other classes", "for 3 classes"),
        ("left over", "do not belong to this network"),
        ("not a number", "not numbers"),
        ("infinite", "is not a number"),
        ("dead", "same answer"),
    ],
)
def test_a_fault_of_one_fold_names_it(make, tmp_path, kind, words):
    states = {name: network.state_dict() for name, network in networks().items()}
    states["f1"] = spoilt(kind, states["f1"])
    write_ensemble(tmp_path / "p", card(), states)
    faults = [one.message for one in check_files(open_files(tmp_path / "p")).findings if one.level == "fault"]
    assert [message.startswith("Fold f1: ") and words in message for message in faults] == [True]
    if kind == "dead":
        return  # it answers, for what that is worth
    with pytest.raises(UserError, match=f"^Fold f1: .*{words}"):
        load_package(tmp_path / "p").predict(volume(make))


def test_what_is_wrong_with_all_folds_is_said_once(tmp_path):
    states = {name: spoilt("dead", network.state_dict()) for name, network in networks().items()}
    write_ensemble(tmp_path / "p", card(), states)
    (fault,) = [one.message for one in check_files(open_files(tmp_path / "p")).findings if one.level == "fault"]
    assert fault.startswith("The network gives the same answer")
    folder, _ = package(tmp_path / "q")
    text = (folder / "model.toml").read_text().replace("width = 4", "widht = 4")
    (folder / "model.toml").write_text(text)
    with pytest.raises(UserError, match=r"^model.toml: the network .* has no argument 'widht'"):
        load_package(folder)


def test_folds_with_different_outputs_are_told_apart(tmp_path):
    code = (
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.outputs = torch.nn.Parameter(torch.zeros(1))\n"
        "    def forward(self, x):\n        return x.flatten(1)[:, : int(self.outputs)]\n"
    )
    text = CARD.replace("builtin:small-cnn-2d", "python:net.py:Net").replace("ACTIVATION", "")
    text = text.replace("arguments = { width = 4, downsamplings = 1, num_classes = OUTPUTS }", "")
    states = {name: {"outputs": torch.tensor([float(count)])} for name, count in (("a", 2), ("b", 1))}
    write_ensemble(tmp_path / "p", parse_card(text), states)
    (tmp_path / "p" / "net.py").write_text(code)
    with pytest.raises(UserError, match="outputs: a has 2, b has 1"):
        load_package(tmp_path / "p", trust_code=True)


def test_a_check_tells_the_folds(tmp_path):
    folder, _ = package(tmp_path / "p")
    assert any("3 folds: f0, f1, f2" in line for line in check_package(folder))


@pytest.mark.parametrize(
    ("ensemble", "model", "named", "cure"),
    [
        ('folds = [{ name = "0", weights = "a" }]', "", "folds", "two or more"),
        ('folds = [{ name = "0", weights = "a" }, { name = "0", weights = "b" }]', "", "folds", "its own"),
        ('folds = [{ name = "0", weights = "a" }, { name = "mean", weights = "b" }]', "", "folds", "'mean'"),
        ('folds = [{ name = "0" }, { name = "1", weights = "b" }]', "", "entry 1.weights", "weights ="),
        ('folds = [{ name = "0", weights = "a" }, { name = "1", weights = "b" }]', 'weights = "c"', "weights", "folds"),
        ("fold = 3", "", "folds", "two or more"),
    ],
)
def test_a_wrong_ensemble_is_told_what_is_right(ensemble, model, named, cure):
    text = CARD.replace("OUTPUTS", "2").replace("ACTIVATION", "").replace("[output]", f"{model}\n[output]")
    with pytest.raises(UserError) as caught:
        parse_card(f"{text}\n[ensemble]\n{ensemble}\n")
    assert named in caught.value.message
    assert cure in caught.value.hint


def test_a_single_network_has_no_folds(tmp_path):
    write_package(tmp_path / "p", card(), networks()["f0"].state_dict())
    with pytest.raises(UserError, match="single network"):
        load_package(tmp_path / "p", fold="0")


def test_lists_of_cases_come_back_and_hold_no_names(tmp_path):
    held_out = {case_digest("Doe^Jane"): "f0", case_digest(" sub-2 "): "f2"}
    folder, _ = package(tmp_path / "p", held_out=held_out, training_cases=[case_digest("sub-9")])
    lists = read_case_lists(folder, read_card(folder)[0])
    assert lists.held_out == {hashlib.sha256(b"Doe^Jane").hexdigest(): "f0", hashlib.sha256(b"sub-2").hexdigest(): "f2"}
    assert lists.trained == {hashlib.sha256(b"sub-9").hexdigest()}
    written = b"".join(path.read_bytes() for path in folder.iterdir() if path.suffix != ".safetensors")
    assert b"Doe" not in written
    assert b"sub-" not in written


DIGEST = case_digest("sub-1")


@pytest.mark.parametrize(
    ("table", "named", "cure"),
    [
        (f"subject,fold\n{DIGEST},f0\n", "no column 'case'", "case,fold"),
        ("case,fold\nDoe^Jane,f0\n", "Line 2", "64 hex digits"),
        (f"case,fold\n{DIGEST},f9\n", "'f9'", "f0"),
        (f"case,fold\n{DIGEST},f0\n{DIGEST},f1\n", "Line 3", "one line"),
        (b"\xff\xfe\x00", "no text", "UTF-8"),
    ],
)
def test_a_wrong_list_says_where_and_never_what_stands_there(tmp_path, table, named, cure):
    folder, _ = package(tmp_path / "p", held_out={DIGEST: "f0"})
    (folder / "held_out.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(UserError) as caught:
        load_package(folder)
    assert named in caught.value.message
    assert cure in caught.value.hint
    assert "Doe" not in str(caught.value)


def test_a_list_in_capitals_and_with_a_byte_order_mark_is_read(tmp_path):
    folder, _ = package(tmp_path / "p", held_out={DIGEST: "f0"})
    text = "\ufeffcase,fold,comment\n" + f"{DIGEST.upper()}, f1 ,late\n"
    (folder / "held_out.csv").write_text(text, encoding="utf-8")
    assert read_case_lists(folder, read_card(folder)[0]).held_out == {DIGEST: "f1"}
    (folder / "held_out.csv").unlink()
    with pytest.raises(UserError, match=r"held_out\.csv"):
        load_package(folder)
    assert case_table([DIGEST, DIGEST]).splitlines() == ["case", DIGEST]


def test_a_check_finds_what_is_wrong_with_any_fold(tmp_path):
    folder, _ = package(tmp_path / "p", held_out={DIGEST: "f0"})
    assert check_files(open_files(folder)).good
    (folder / "fold2.safetensors").unlink()
    (folder / "held_out.csv").write_text("case,fold\nDoe^Jane,f0\n")
    found = [finding.message for finding in check_files(open_files(folder)).findings if finding.level == "fault"]
    assert len(found) == 2
    assert "Line 2" in found[0]
    assert found[1].startswith("Fold f2: ")
    assert "fold2.safetensors" in found[1]
    package(folder, held_out={DIGEST: "f0"})
    (folder / "held_out.csv").write_text("case,fold\nDoe^Jane,f0\n")
    found = [finding.message for finding in check_files(open_files(folder)).findings if finding.level == "fault"]
    assert ["Line 2" in message for message in found] == [True]


def test_a_check_names_every_fold_that_cannot_be_loaded(tmp_path):
    folder, _ = package(tmp_path / "p", held_out={DIGEST: "f0"})
    (folder / "SHA256SUMS").unlink()
    for number in (0, 2):
        (folder / f"fold{number}.safetensors").write_bytes(b"no weights")
    found = [finding.message for finding in check_files(open_files(folder)).findings if finding.level == "fault"]
    assert [message.partition(":")[0] for message in found] == ["Fold f0", "Fold f2"]
    folder, _ = package(tmp_path / "q", held_out={DIGEST: "f0"})
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("arguments = {", "arguments = { colour = 1,"))
    found = [finding.message for finding in check_files(open_files(folder)).findings if finding.level == "fault"]
    assert len(found) == 1
    assert "Fold" not in found[0]


def test_every_wrong_step_of_every_list_is_found():
    text = CARD.replace("OUTPUTS", "2").replace("ACTIVATION", "").replace(
        "size = [12, 12]",
        'spatial = [{ step = "resise" }, { step = "pad", size = 3 }]\n'
        'intensity_after = [{ step = "clahe" }, { step = "zscore" }, { step = "gamma" }]',
    )  # fmt: skip
    _, found = card_faults(text)
    said = " | ".join(error.message for error in found)
    for wrong in ("resise", "spatial step 2.size", "intensity_after step 2", "intensity_after step 3.gamma"):
        assert wrong in said
    assert len(found) == 4
