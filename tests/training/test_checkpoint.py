import json

import pytest
import torch
from safetensors import safe_open

from saliency_viewer.domain import EpochFigures
from saliency_viewer.errors import UserError
from saliency_viewer.training.checkpoint import (
    Checkpoint,
    copied,
    moments_of,
    read_checkpoint,
    restore_moments,
    write_checkpoint,
)

PLAN = {"architecture": "resnet50", "epochs": 5, "classes": ["a", "b"], "learning_rate": 0.1}


def figures(epoch, best):
    return EpochFigures(epoch, 5, 0.5, 0.25, 0.75, 1e-3, 2.0, best)


def trained():
    """A network and an optimiser that have made two steps."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimiser = torch.optim.AdamW(network.parameters())
    for _ in range(2):
        network(torch.randn(4, 3)).square().sum().backward()
        optimiser.step()
    return network, optimiser


@pytest.mark.parametrize("best", [True, False])
def test_everything_comes_back(tmp_path, best):
    network, optimiser = trained()
    state = copied(network)
    other = {key: value + 1 for key, value in state.items()}
    kept = Checkpoint(PLAN, state, state if best else other, moments_of(optimiser), [figures(1, best)], 4, {"s": 1.0})
    write_checkpoint(kept, tmp_path / "c.safetensors")
    found = read_checkpoint(tmp_path / "c.safetensors", PLAN)
    assert found.plan == PLAN
    assert found.history == [figures(1, best)]
    assert (found.parts, found.scaler, found.finished, found.epoch) == (4, {"s": 1.0}, False, 1)
    for key, value in state.items():
        assert torch.equal(found.network[key], value)
        assert torch.equal(found.best[key], kept.best[key])
    fresh = torch.optim.AdamW(network.parameters())
    restore_moments(fresh, found.moments)
    for parameter in network.parameters():
        for name, value in optimiser.state[parameter].items():
            assert torch.equal(fresh.state[parameter][name], value)


def test_the_file_holds_tensors_and_json_only(tmp_path):
    network, optimiser = trained()
    state = copied(network)
    write_checkpoint(
        Checkpoint(PLAN, state, state, moments_of(optimiser), [figures(1, True)]), tmp_path / "c.safetensors"
    )
    with safe_open(tmp_path / "c.safetensors", "pt") as file:
        about = json.loads(file.metadata()["training"])
        assert set(file.keys()) > {"network.0.weight", "optimiser.0.exp_avg"}
    assert about["history"][0]["validation_auc"] == 0.75


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 6}, r"differs in epochs \(5 then, 6 now\)"),
        ({"learning_rate": 0.2}, r"differs in learning rate \(0.1 then, 0.2 now\)"),
        ({"training_cases": "f" * 64}, "differs in training cases"),
    ],
)
def test_a_checkpoint_of_another_plan_is_refused_with_what_differs(tmp_path, change, words):
    write_checkpoint(Checkpoint(PLAN, {}, {}, {"x": torch.ones(1)}), tmp_path / "c.safetensors")
    with pytest.raises(UserError, match=words):
        read_checkpoint(tmp_path / "c.safetensors", {**PLAN, **change})


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"\x80\x04pickle", lambda b: b""])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "c.safetensors"
    write_checkpoint(Checkpoint(PLAN, {"w": torch.ones(9)}, {}, {}), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(path, PLAN)


def test_weights_of_somebody_else_are_no_checkpoint(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "c.safetensors")
    with pytest.raises(UserError, match="damaged, or is none"):
        read_checkpoint(tmp_path / "c.safetensors")
