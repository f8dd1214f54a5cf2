"""A MONAI bundle is a model for the command line and the window, as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from saliency_viewer.cli import run
from saliency_viewer.gui.reading import kind_of

NETWORK = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "init_features": 8,
    "growth_rate": 4,
    "block_config": [2, 2],
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    from monai.networks.nets import DenseNet

    folder = tmp_path / "bundle"
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    transforms = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "ScaleIntensityd", "keys": "image"},
        {"_target_": "Resized", "keys": "image", "spatial_size": [16, 18, 12], "mode": "trilinear"},
        {"_target_": "RandFlipd", "keys": "image", "prob": 1.0},
    ]
    data = {
        "inputs": {"image": {"num_channels": 1, "spatial_shape": [16, 18, 12], "modality": "MR"}},
        "outputs": {"pred": {"num_channels": 2, "channel_def": {"0": "well", "1": "sick"}}},
    }
    inference = {
        "network_def": {"_target_": "DenseNet", **NETWORK},
        "preprocessing": {"_target_": "Compose", "transforms": transforms},
        "postprocessing": {"transforms": [{"_target_": "Activationsd", "softmax": True}]},
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "Brains", "network_data_format": data}))
    (folder / "configs" / "inference.json").write_text(json.dumps(inference))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(DenseNet(**NETWORK).state_dict(), folder / "models" / "model.pt")
    return folder


@pytest.mark.filterwarnings("ignore")  # of MONAI's import
def test_a_bundle_is_checked_and_explained_as_it_is(
    bundle: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kind_of(str(bundle)) == "model"
    assert run(["model", "check", str(bundle)]) == 0
    shown = "".join(capsys.readouterr())
    assert "Brains" in shown
    assert "RandFlip is not followed" in shown
    out = tmp_path / "out"
    status = run(["explain", str(image), "--model", str(bundle), "--method", "grad-cam", "--out", str(out)])
    assert status == 0
    shown = "".join(capsys.readouterr())
    assert "RandFlip is not followed" in shown
    assert len(list(out.rglob("*_attributions.nii.gz"))) == 1
