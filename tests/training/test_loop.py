from dataclasses import replace

import numpy as np
import pytest
import torch

from saliency_viewer.domain import TrainingSettings
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training import loop
from saliency_viewer.training.loop import Surroundings, fit

SETTINGS = TrainingSettings(epochs=4, batch_size=8, learning_rate=5e-3, patience=0, augment="mirror")
PLAN = {"name": "one"}


@pytest.fixture
def go(tmp_path, squares, small_network):
    """A function that trains a fresh small network, and returns the outcome and what was heard."""

    def run(settings=SETTINGS, count=32, where="c.safetensors", resume=False, cancel=None, material=None):
        heard, network = [], small_network()
        around = Surroundings(tmp_path / where, PLAN, heard.append, heard.append, resume)
        state = fit(network, material or squares(count), settings, "cpu", around, RunContext(cancel=cancel))
        return state, heard

    return run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_learns_and_says_how_it_goes(go):
    state, heard = go(replace(SETTINGS, epochs=8), 64)
    assert [figures.epoch for figures in heard] == list(range(1, 9))
    assert heard[-1].training_loss < 0.6 * heard[0].training_loss
    assert max(figures.validation_auc for figures in heard) > 0.95
    assert all(figures.epochs == 8 and figures.seconds > 0 for figures in heard)
    assert state.finished


def test_the_same_seed_gives_the_same_weights_and_another_one_others(go):
    first, second = go(where="a.safetensors")[0], go(where="b.safetensors")[0]
    assert same(first.network, second.network)
    assert same(first.best, second.best)
    assert [f.training_loss for f in first.history] == [f.training_loss for f in second.history]
    assert not same(go(replace(SETTINGS, seed=1), where="d.safetensors")[0].network, first.network)


def test_torches_random_state_is_left_alone(go):
    before = torch.get_rng_state()
    go(replace(SETTINGS, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def counted(limit):
    """A wish to stop after so many questions."""
    asked = []

    def cancel():
        asked.append(1)
        return len(asked) > limit

    return cancel


@pytest.mark.parametrize("questions", [150, 420, 700])
def test_a_stopped_and_resumed_training_gives_the_weights_of_an_uninterrupted_one(go, questions):
    whole, heard = go(where="whole.safetensors")
    with pytest.raises(Cancelled):
        go(where="cut.safetensors", cancel=counted(questions))
    resumed, again = go(where="cut.safetensors", resume=True)
    assert same(whole.network, resumed.network)
    assert same(whole.best, resumed.best)
    assert same(whole.moments, resumed.moments)
    strip = lambda all_of_them: [replace(one, seconds=0.0) for one in all_of_them]  # noqa: E731
    assert strip(heard) == strip(again)


def test_stopping_keeps_the_checkpoint_of_the_last_whole_epoch(go, tmp_path):
    with pytest.raises(Cancelled):
        go(cancel=counted(600))
    kept = loop.read_checkpoint(tmp_path / "c.safetensors")
    assert 1 <= kept.epoch < 4
    assert not kept.finished


def test_a_finished_training_is_not_trained_again(go):
    first, _ = go(replace(SETTINGS, epochs=2))
    again, heard = go(replace(SETTINGS, epochs=2), resume=True, cancel=lambda: True)
    assert same(first.best, again.best)
    assert len(heard) == 2


def test_patience_ends_a_training_that_no_longer_improves(go, monkeypatch):
    areas = iter([0.6, 0.8, 0.7, 0.8, 0.75, 0.9])
    monkeypatch.setattr(loop, "macro_auc", lambda *_: next(areas))
    state, heard = go(replace(SETTINGS, epochs=6, patience=3))
    assert len(heard) == 5  # three epochs after the second brought no larger area
    assert state.finished


def test_the_best_epochs_weights_are_kept(go, monkeypatch):
    areas = iter([0.5, 0.9, 0.6, 0.7])
    monkeypatch.setattr(loop, "macro_auc", lambda *_: next(areas))
    short, _ = go(SETTINGS, where="short.safetensors", cancel=None)
    assert [figures.best for figures in short.history] == [True, True, False, False]
    assert not same(short.best, short.network)
    resumed, _ = go(SETTINGS, where="short.safetensors", resume=True)
    assert same(resumed.best, short.best)


def test_of_equal_areas_the_smaller_loss_is_better(go, monkeypatch):
    monkeypatch.setattr(loop, "macro_auc", lambda *_: 1.0)
    state, _ = go(SETTINGS)
    losses = [figures.validation_loss for figures in state.history]
    kept = max(k for k, figures in enumerate(state.history) if figures.best)
    assert losses[kept] == min(losses)


def test_a_validation_loss_that_is_no_number_ends_the_training_with_the_checkpoint_before(go, monkeypatch, tmp_path):
    plain = loop.logits_of
    calls = []

    def broken(*arguments):
        calls.append(1)
        return plain(*arguments) * (np.nan if len(calls) == 3 else 1)

    monkeypatch.setattr(loop, "logits_of", broken)
    with pytest.raises(UserError, match="no longer a number"):
        go(SETTINGS)
    assert loop.read_checkpoint(tmp_path / "c.safetensors").epoch == 2


def test_class_weights_reach_the_loss(go, squares):
    material = squares(32)
    plain, _ = go(replace(SETTINGS, epochs=1), material=material)
    weighted, _ = go(replace(SETTINGS, epochs=1), material=replace(material, weights=(0.2, 3.0)))
    assert plain.history[0].training_loss != weighted.history[0].training_loss
    assert not same(plain.network, weighted.network)
