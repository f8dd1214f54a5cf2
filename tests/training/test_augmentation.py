import numpy as np
import pytest
import torch
from scipy import ndimage

from saliency_viewer.training import augmentation
from saliency_viewer.training.augmentation import augmented

SHAPES = [(24, 40), (12, 20, 28)]


def batch(shape, count=3):
    return torch.randn(count, 2, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_case_becomes_depends_on_case_and_epoch_alone(shape):
    inputs = batch(shape)
    whole = augmented(inputs, (5, 9, 2), 0, 3, "standard")
    assert whole.shape == inputs.shape
    torch.testing.assert_close(augmented(inputs[1:2], (9,), 0, 3, "standard"), whole[1:2])
    assert not torch.allclose(augmented(inputs, (5, 9, 2), 0, 4, "standard"), whole)
    assert not torch.allclose(augmented(inputs, (5, 9, 2), 1, 3, "standard"), whole)
    assert not torch.allclose(augmented(inputs, (5, 9, 7), 0, 3, "standard")[2], whole[2])


@pytest.mark.parametrize("shape", SHAPES)
def test_torches_random_state_is_left_alone(shape):
    before = torch.get_rng_state()
    augmented(batch(shape), (0, 1, 2), 0, 1, "mirror")
    assert torch.equal(torch.get_rng_state(), before)


def test_none_changes_nothing():
    inputs = batch((8, 8))
    assert augmented(inputs, (0, 1, 2), 0, 1, "none") is inputs


@pytest.mark.parametrize("shape", SHAPES)
def test_it_moves_cells_as_scipy_does(shape, monkeypatch):
    """The matrix in cells, rigid but for its zoom, given to another library's interpolation."""
    for name in ("_CONTRAST", "_BRIGHTNESS"):
        monkeypatch.setattr(augmentation, name, 0.0)
    inputs = batch(shape, 1)
    found = augmented(inputs, (4,), 2, 6, "mirror")[0, 0].numpy()
    theta = augmentation._place(augmentation.generator(2, "augment", 6, 4), shape, True)
    sides = np.array(shape[::-1], dtype=float)
    # From torch's -1..1, last axis first, to cells, first axis first.
    linear = (theta[:, :-1] * sides[:, None] / sides[None, :])[::-1, ::-1]
    shift = (theta[:, -1] * sides / 2)[::-1]
    middle = (np.array(shape) - 1) / 2
    wanted = ndimage.affine_transform(
        inputs[0, 0].numpy(), linear, middle + shift - linear @ middle, order=1, mode="nearest"
    )
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    zoom = abs(np.linalg.det(linear)) ** (1 / len(shape))
    np.testing.assert_allclose(linear @ linear.T, zoom**2 * np.eye(len(shape)), atol=1e-9)
    assert 0.9 <= zoom <= 1.1
    assert np.abs(shift).max() <= 0.05 * max(shape) + 1e-9


def test_mirror_alone_swaps_left_and_right(monkeypatch):
    for name in ("_TURN", "_SHIFT", "_ZOOM", "_CONTRAST", "_BRIGHTNESS"):
        monkeypatch.setattr(augmentation, name, 0.0)
    inputs = batch((6, 9), 1)
    seen = {True: 0, False: 0}
    for case in range(40):
        out = augmented(inputs, (case,), 0, 1, "mirror")
        swapped = torch.allclose(out, inputs.flip(3), atol=1e-5)
        assert swapped or torch.allclose(out, inputs, atol=1e-5)
        seen[swapped] += 1
        torch.testing.assert_close(augmented(inputs, (case,), 0, 1, "standard"), inputs, atol=1e-5, rtol=1e-5)
    assert min(seen.values()) >= 10


def test_contrast_and_brightness_stay_within_their_range(monkeypatch):
    for name in ("_TURN", "_SHIFT", "_ZOOM"):
        monkeypatch.setattr(augmentation, name, 0.0)
    inputs = batch((16, 16), 1)
    gains = []
    for case in range(50):
        out = augmented(inputs, (case,), 0, 1, "standard")
        gains.append(float(out.std() / inputs.std()))
        assert abs(float(out.mean() - inputs.mean())) <= 0.15 * float(inputs.std()) + 1e-4
    assert min(gains) >= 0.85 - 1e-4
    assert max(gains) <= 1.15 + 1e-4
    assert max(gains) - min(gains) > 0.2
