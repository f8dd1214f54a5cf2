"""`model new` and `model check`."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from saliency_viewer.cli import run
from saliency_viewer.models import load_package
from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.models.recognition import blueprints


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    values = np.random.default_rng(3).integers(0, 256, (60, 50), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "film.png")
    return tmp_path / "film.png"


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., Path]:
    """A checkpoint of a small network; ``more`` goes beside the weights."""

    def write(dimensions: int = 2, channels: int = 3, outputs: int = 2, **more: object) -> Path:
        torch.manual_seed(2)
        network = SmallCNN(dimensions, channels, outputs, width=4, downsamplings=1)
        path = tmp_path / "checkpoint.ckpt"
        torch.save({"state_dict": {f"net.{k}": v for k, v in network.state_dict().items()}, **more}, path)
        return path

    return write


def card_of(package: Path) -> dict[str, dict[str, object]]:
    return tomllib.loads((package / "model.toml").read_text())


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has somebody sit at a terminal who gives these answers, one line each."""

    def give(*lines: str) -> None:
        monkeypatch.setattr("saliency_viewer.cli.asking.is_terminal", lambda: True)
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return give


def test_a_package_is_made_without_a_question_where_nobody_is(weights, picture, tmp_path, capsys) -> None:
    out = tmp_path / "package"
    options = ["--classes", "well", "sick", "--size", "32", "32", "--modality", "CR", "DX", "--name", "Lungs"]
    picture_of_map = tmp_path / "map.png"
    asked = ["--image", str(picture), "--check-map", str(picture_of_map), "--layers"]
    assert run(["model", "new", str(weights()), "--out", str(out), *options, *asked]) == 0
    shown = capsys.readouterr().out
    assert "builtin:small-cnn-2d: all" in shown
    assert "features.0.0  Conv2d" in shown
    assert "image    " in shown
    with Image.open(picture_of_map) as made:
        assert made.width > made.height
    card = card_of(out)
    assert card["model"]["name"] == "Lungs"
    assert card["model"]["arguments"] == {"in_channels": 3, "num_classes": 2, "width": 4, "downsamplings": 1}
    assert card["model"]["modality"] == ["CR", "DX"]
    assert card["output"]["classes"] == ["well", "sick"]
    assert [step["step"] for step in card["input"]["intensity"]] == ["scale", "normalize"]
    assert run(["model", "check", str(out), "--image", str(picture)]) == 0


def test_what_was_assumed_is_said(weights, tmp_path, capsys) -> None:
    out, said = tmp_path / "p", ["--classes", "well,sick", "--size", "32", "32"]
    assert run(["model", "new", str(weights()), "--out", str(out), *said]) == 0
    assert card_of(out)["output"]["classes"] == ["well", "sick"]
    shown = capsys.readouterr().out
    assert "Assumed, since nothing said otherwise: --activation softmax; --intensity imagenet. " in shown
    assert shown.endswith("The package is written.\n")
    told = [*said, "--activation", "softmax", "--intensity", "unit"]
    assert run(["model", "new", str(weights()), "--out", str(out), "--replace", *told]) == 0
    assert "Assumed" not in capsys.readouterr().out


def test_a_package_that_is_there_is_replaced_only_by_who_says_so(weights, tmp_path, capsys) -> None:
    made = ["model", "new", str(weights()), "--out", str(tmp_path / "p"), "--size", "32", "32"]
    assert run(made) == 0
    card = tmp_path / "p" / "model.toml"
    card.write_text(card.read_text().replace('version = "1.0"', 'version = "2.0"'))
    assert run(made) == 2
    assert "--replace" in capsys.readouterr().err
    assert card_of(tmp_path / "p")["model"]["version"] == "2.0"
    assert run([*made, "--replace"]) == 0
    assert card_of(tmp_path / "p")["model"]["version"] == "1.0"


def test_a_candidate_may_be_named_without_its_library(weights, tmp_path, capsys) -> None:
    out = tmp_path / "p"
    assert run(["model", "new", str(weights()), "--out", str(out), "--architecture", "small-cnn-2d"]) == 0
    assert card_of(out)["model"]["architecture"] == "builtin:small-cnn-2d"
    assert run(["model", "new", str(weights()), "--out", str(tmp_path / "q"), "--architecture", "small-cnn"]) == 2
    assert "Write the library before the network's name" in capsys.readouterr().err


def test_weights_of_a_library_that_is_missing_name_it(tmp_path, capsys, monkeypatch) -> None:
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model("efficientnet_b0", num_classes=2).state_dict(), tmp_path / "w.pt")
    monkeypatch.setitem(sys.modules, "timm", None)
    blueprints.drawn.cache_clear()  # another test may have asked for the same network while timm was there
    assert run(["model", "new", str(tmp_path / "w.pt"), "--out", str(tmp_path / "p")]) == 2
    shown = capsys.readouterr().err
    assert "those of timm:" in shown
    assert "pip install 'saliency-viewer[timm]'" in shown


@pytest.mark.parametrize("command", [["model", "check"], ["explain", "film.png", "--out", "o", "--model"]])
def test_a_network_where_a_package_is_meant_says_how_to_make_one(
    weights, picture, monkeypatch, capsys, command
) -> None:
    monkeypatch.chdir(picture.parent)
    (picture.parent / "network.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    for file in (weights().name, "network.onnx"):
        assert run([*command, file]) == 2
        shown = capsys.readouterr().err
        assert "not a model package" in shown
        assert "'model new' makes a package" in shown


def test_class_names_beside_the_weights_are_used(weights, tmp_path) -> None:
    assert run(["model", "new", str(weights(classes=["no", "yes"])), "--out", str(tmp_path / "p")]) == 0
    assert card_of(tmp_path / "p")["output"]["classes"] == ["no", "yes"]


def test_what_cannot_be_guessed_names_its_option(weights, tmp_path, capsys) -> None:
    command = ["model", "new", str(weights(3, 1)), "--out", str(tmp_path / "p")]
    assert run(command) == 2
    assert "--size" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    assert run([*command, "--size", "8", "16", "16", "--spacing", "3", "1", "1", "--orientation", "RAS"]) == 0
    spec = card_of(tmp_path / "p")["input"]
    assert (spec["layout"], spec["size"], spec["spacing"], spec["orientation"]) == ("3d", [8, 16, 16], [3, 1, 1], "RAS")


def test_with_yes_the_guess_is_taken(weights, tmp_path) -> None:
    assert run(["model", "new", str(weights(3, 1)), "--out", str(tmp_path / "p"), "--yes"]) == 0
    assert card_of(tmp_path / "p")["input"]["size"] == [96, 96, 96]


def test_an_unknown_network_names_the_option(tmp_path, capsys) -> None:
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 2)).state_dict(), tmp_path / "w.pt")
    assert run(["model", "new", str(tmp_path / "w.pt"), "--out", str(tmp_path / "p"), "--yes"]) == 2
    assert "--architecture" in capsys.readouterr().err


@pytest.mark.parametrize(("said", "written"), [("yes", True), ("", None), (None, None)])
def test_what_the_weights_of_googlenet_do_not_show_is_asked(tmp_path, answers, said, written) -> None:
    import torchvision

    network = torchvision.models.googlenet(weights=None, num_classes=2, aux_logits=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    options = ["--classes", "a", "b", "--activation", "softmax", "--intensity", "imagenet", "--modality", "CR"]
    if said is not None:
        answers(said)
    command = ["model", "new", str(tmp_path / "w.pt"), "--out", str(tmp_path / "p"), "--name", "N", *options]
    assert run(command) == 0
    assert card_of(tmp_path / "p")["model"]["arguments"].get("transform_input") is written


def test_on_a_terminal_the_rest_is_asked_and_wrong_answers_are_asked_again(weights, tmp_path, answers, capsys) -> None:
    options = ["--size", "32", "32"]
    answers("one", "well, sick")
    assert run(["model", "new", str(weights()), "--out", str(tmp_path / "p"), *options]) == 2
    assert "There was no answer" in capsys.readouterr().err
    answers("one", "well, sick", "", "windo:3", "window:100,50", "ct", "Chests")
    assert run(["model", "new", str(weights()), "--out", str(tmp_path / "p"), *options]) == 0
    shown = capsys.readouterr().err
    assert "needed for 2 classes, not for 1" in shown
    assert "'window'" in shown
    card = card_of(tmp_path / "p")
    assert card["output"]["classes"] == ["well", "sick"]
    assert card["input"]["intensity"][0] == {"step": "window", "center": 100.0, "width": 50.0}
    assert (card["model"]["name"], card["model"]["modality"]) == ("Chests", ["ct"])


def test_a_faulty_package_is_written_only_when_the_user_insists(weights, tmp_path, answers, capsys) -> None:
    command = ["model", "new", str(weights()), "--out", str(tmp_path / "p"), "--layer", "nowhere"]
    assert run(command) == 2
    assert "no layer 'nowhere'" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    answers("", "", "", "", "", "yes")
    assert run(command) == 0
    assert (tmp_path / "p" / "model.toml").exists()


def test_the_users_own_code_goes_along_and_runs_only_with_consent(tmp_path, capsys) -> None:
    (tmp_path / "net.py").write_text("from saliency_viewer.models.builtin import small_cnn_2d as Net\n")
    torch.save(SmallCNN(2, 1, 2, 4, 1).state_dict(), tmp_path / "w.pt")
    architecture = ["--architecture", f"python:{tmp_path / 'net.py'}:Net", "--arguments", "width=4", "downsamplings=1"]
    command = [
        "model",
        "new",
        str(tmp_path / "w.pt"),
        "--out",
        str(tmp_path / "p"),
        *architecture,
        "--size",
        "32",
        "32",
    ]
    assert run(command) == 2
    assert "was not run" in capsys.readouterr().err
    assert run([*command, "--trust-code"]) == 0
    assert card_of(tmp_path / "p")["model"]["architecture"] == "python:net.py:Net"
    assert load_package(tmp_path / "p", trust_code=True).outputs == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--arguments", "width"], "'width' is no argument"),
        (["--architecture", "python:net.py"], "needs a file and a class"),
        (["--architecture", "python:absent.py:Net"], "cannot be read"),
        (["--intensity", "imagnet"], "no intensity steps"),
        (["--check-map", "map.png"], "--image"),
        (["--classes", "a", "b", "c"], "the options of this command say"),
        (["--size", "3", "4", "5"], "input.size"),
        (["--architecture", "torchvision:resnet18"], "builtin:small-cnn-2d"),
    ],
)
def test_wrong_options_are_one_sentence(weights, tmp_path, capsys, options, words) -> None:
    assert run(["model", "new", str(weights()), "--out", str(tmp_path / "p"), *options]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown
    assert str(tmp_path) not in shown


def test_a_pickled_network_is_refused_with_the_way_to_convert_it(tmp_path, capsys) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    assert run(["model", "new", str(tmp_path / "whole.pt"), "--out", str(tmp_path / "p")]) == 2
    assert "torch.save(model.state_dict()" in capsys.readouterr().err


def test_check_says_all_that_is_wrong(weights, tmp_path, capsys) -> None:
    package = tmp_path / "p"
    assert run(["model", "new", str(weights()), "--out", str(package), "--size", "32", "32"]) == 0
    card = (package / "model.toml").read_text()
    wrong = card.replace('fit = "letterbox"', 'fit = "leterbox"').replace("[explain]", "[explain]\nx = 1")
    (package / "model.toml").write_text(wrong)
    content = bytearray((package / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (package / "weights.safetensors").write_bytes(content)
    capsys.readouterr()
    assert run(["model", "check", str(package), "--json"]) == 2
    shown = capsys.readouterr()
    record = json.loads(shown.out)
    assert not record["good"]
    said = [finding["message"] for finding in record["findings"] if finding["level"] == "fault"]
    assert ["input.fit" in said[0], "no key 'x'" in said[1], "sha256 differs" in said[2]] == [True] * 3
    assert "There are 3 faults" in shown.err


def test_check_tries_the_methods_and_says_why_one_does_not_apply(weights, tmp_path, capsys) -> None:
    package = tmp_path / "p"
    assert run(["model", "new", str(weights(3, 1)), "--out", str(package), "--size", "8", "16", "16"]) == 0
    capsys.readouterr()
    assert run(["model", "check", str(package), "--methods", "--json"]) == 0
    methods = {one["id"]: one for one in json.loads(capsys.readouterr().out)["methods"]}
    assert methods["grad-cam"] == {"id": "grad-cam", "applies": True, "reason": ""}
    assert not methods["fem"]["applies"]
    assert "two-dimensional" in methods["fem"]["reason"]
