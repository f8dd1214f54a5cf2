"""Weights files that are hostile, damaged or ambiguous: refused with a sentence, before any memory is taken."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.archives import member_bytes
from saliency_viewer.models.sound_tensors import in_float32, refuse_no_numbers
from saliency_viewer.models.weights import load_state, read_state


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))


def saved(thing, **more) -> bytes:
    stream = io.BytesIO()
    torch.save(thing, stream, **more)
    return stream.getvalue()


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def header(entries, data: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        header({"a": entry([2**40], 0, 2**42)}, b"\0" * 16),
        header({"a": entry([4], 0, 2**62)}, b"\0" * 16),
        header({"a": entry([2**33, 2**33], 0, 16)}, b"\0" * 16),
        header({"a": entry([4], 8, 24)}, b"\0" * 16),
        header({"a": entry([4], 0, 16), "b": entry([4], 8, 24)}, b"\0" * 24),  # overlapping
        header({"a": entry([-4], 0, 16)}, b"\0" * 16),
        header({"a": entry([5], 0, 16)}, b"\0" * 16),
        header({"a": entry([4], 0, 16, "F1")}, b"\0" * 16),
        header({"a": {"dtype": "F32"}}),
        header(b"{" * 5000),
        header(b'{"a": '),
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"{}",
    ],
)
def test_safetensors_whose_header_lies_are_damaged(content):
    with pytest.raises(UserError, match=r"damaged|no weights by name"):
        read_state(content)


def rezipped(content: bytes, change) -> bytes:
    """The archive with each member as ``change(name, data)`` gives it, deflated."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return packed.getvalue()


def claiming(content: bytes, size: int) -> bytes:
    """The archive whose largest member says in the directory that it has ``size`` bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    name = largest.filename.encode()
    place = content.rindex(name) - 46  # the directory's entry: its name follows 46 bytes
    return content[: place + 24] + struct.pack("<I", size) + content[place + 28 :]


@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_that_says_it_becomes_more_than_memory_is_refused_first(packed, monkeypatch):
    content = saved({"a": torch.zeros(3000)})
    content = rezipped(content, lambda _, data: data) if packed else content
    monkeypatch.setattr("saliency_viewer.runtime.memory.free_bytes", lambda: 2**30)
    with pytest.raises(UserError, match=r"needs 4\.0 GiB of memory, and 1\.0 GiB are free"):
        read_state(claiming(content, 2**32 - 2))


def test_a_compressed_archive_that_fits_is_read():
    content = rezipped(saved({"a": torch.arange(3000.0)}), lambda _, data: data)
    assert float(read_state(content)["a"].sum()) == 2999 * 1500


@pytest.mark.parametrize("size", [0, 1, 5000, 2**31])
def test_sizes_that_lie_do_not_crash(size):
    content = claiming(saved({"a": torch.ones(3000)}), size)
    try:
        found = read_state(content)
    except UserError as error:
        assert error.hint  # noqa: PT017 - either outcome is right
    else:
        assert found["a"].shape == (3000,)


@pytest.mark.parametrize("claimed", [1001, 2**28])
def test_a_pickle_that_claims_more_numbers_than_its_record_has_is_damaged(claimed):
    """What lies behind the record in memory must not become weights."""
    number, lie = b"M" + struct.pack("<H", 1000), b"J" + struct.pack("<i", claimed)
    content = rezipped(
        saved({"a": torch.ones(1000)}), lambda name, data: data.replace(number, lie) if "data.pkl" in name else data
    )
    with pytest.raises(UserError, match="damaged"):
        read_state(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_do_not_unpack_are_named(method):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("folder/inside.bin", np.random.default_rng(0).bytes(4000))
    content = bytearray(packed.getvalue())
    content[200:300] = bytes(100)
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        with pytest.raises(UserError, match=r"'inside\.bin' in the archive cannot be read"):
            member_bytes(archive, "folder/inside.bin")
        with pytest.raises(UserError, match=r"no file 'other\.bin'"):
            member_bytes(archive, "folder/other.bin")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_a_tensor_that_repeats_one_number_without_end_is_refused_before_it_is_copied(dtype):
    content = saved({"a": torch.ones(1, dtype=dtype).expand(2**40)})
    assert len(content) < 4000
    with pytest.raises(UserError, match="GiB of memory"):
        read_state(content)
    assert in_float32({"a": torch.ones(1, dtype=dtype).expand(5)})["a"].tolist() == [1] * 5


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of making such tensors here
@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (lambda: torch.ones(3, dtype=torch.complex64), "'first.weight' is complex"),
        (lambda: torch.eye(3).to_sparse(), "'first.weight' is sparse"),
        (lambda: torch.eye(3).to_sparse_csr(), "'first.weight' is sparse"),
        (
            lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            "'first.weight' is quantised to 8 bits",
        ),
        (lambda: torch.ones(3, device="meta"), "'first.weight' has a shape but no values"),
    ],
    ids=["complex", "sparse", "rows", "quantised", "empty"],
)
def test_tensors_of_other_kinds_are_named(tensor, words):
    with pytest.raises(UserError, match=words) as caught:
        read_state(saved({"first.weight": tensor()}))
    assert caught.value.hint


def test_all_that_is_no_number_is_counted_and_named():
    state = {f"layer{k}.weight": torch.ones(5) for k in range(6)}
    state["layer0.weight"][2:] = float("nan")
    for k in (1, 2, 4):
        state[f"layer{k}.weight"][0] = float("-inf")
    words = r"in 4 of the 6 weights: 'layer0.weight' \(3\), 'layer1.weight' \(1\), 'layer2.weight' \(1\) and 1 more"
    with pytest.raises(UserError, match=words):
        refuse_no_numbers(state)


def test_masks_of_attention_and_large_sums_are_numbers():
    refuse_no_numbers(
        {
            "mask": torch.triu(torch.full((4, 4), float("-inf")), 1),
            "large": torch.full((4,), 3e38),
            "count": torch.tensor(7),
            "none": torch.zeros(0),
        }
    )


def ema(state):
    return {key: value + 1 if value.is_floating_point() else value for key, value in state.items()}


@pytest.mark.parametrize(
    ("wrap", "names"),
    [
        (lambda s: {**prefixed(s, "model."), **prefixed(ema(s), "ema_model.")}, ("ema_model", "model")),
        (lambda s: {**s, **prefixed(ema(s), "ema.")}, ("ema", "no prefix")),
        (lambda s: {"state_dict": {**prefixed(s, "net."), **prefixed(ema(s), "net_ema.")}}, ("net", "net_ema")),
        (lambda s: {"model": s, "ema_model": ema(s)}, ("ema_model", "model")),
        (lambda s: {"model": s, "model_ema": {"module": ema(s)}, "epoch": 3}, ("model", "model_ema")),
        (lambda s: {"state_dict": s, "state_dict_ema": ema(s)}, ("state_dict", "state_dict_ema")),
        (lambda s: {"params": s, "params_ema": ema(s)}, ("params", "params_ema")),
        (lambda s: {"student": s, "teacher": ema(s)}, ("student", "teacher")),
    ],
)
def test_two_networks_in_one_file_are_not_chosen_between_silently(wrap, names):
    with pytest.raises(UserError, match="several") as caught:
        load_state(network(), read_state(saved(wrap(network().state_dict()))))
    for name in names:
        assert f"'{name}'" in caught.value.message
    assert "torch.save" in caught.value.hint


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"params": s},
        lambda s: {"weights_of_epoch_9": {"state": s}},
        lambda s: {"model": s, "net": s},  # the same one under two names
        lambda s: {"model": s, "model_copy": {key: value.clone() for key, value in s.items()}},
        lambda s: {"model": s, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}, "scaler": {"scale": 1.0}},
        lambda s: {"state_dict": s, "epoch": np.int64(3), "best": np.float32(0.5), "auc": np.float64(0.9)},
        lambda s: {**prefixed(s, "model."), "ema_model.0.bias": torch.ones(4), "ema_model.decay": torch.tensor(0.9)},
        lambda s: {"state_dict": s, "swa": {"n_averaged": torch.tensor(3)}},
        lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, width=3)},
    ],
)
def test_what_stands_beside_one_network_does_no_harm(wrap):
    source, target = network(), network()
    load_state(target, read_state(saved(wrap(source.state_dict()))))
    for key, value in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[key], value, rtol=0, atol=0)


def test_a_lightning_checkpoint_with_all_that_training_keeps():
    source, target = network(), network()
    checkpoint = {
        "epoch": 4,
        "global_step": 1000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {**prefixed(source.state_dict(), "model."), "criterion.weight": torch.ones(2)},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 5}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': 'auc'}": {"best_model_score": torch.tensor(0.9), "best_k_models": {}}
        },
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": np.float64(1e-4)}]}],
        "lr_schedulers": [{"last_epoch": 4, "_last_lr": [1e-4]}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-4, "name": "resnet", "sizes": (1, 2), "none": None},
    }
    load_state(target, read_state(saved(checkpoint)))
    torch.testing.assert_close(target[0].weight, source[0].weight, rtol=0, atol=0)


def test_a_checkpoint_with_objects_in_its_settings_says_how_to_take_the_weights_out():
    checkpoint = {"state_dict": network().state_dict(), "hyper_parameters": {"loss": nn.CrossEntropyLoss()}}
    with pytest.raises(UserError, match="could run any code") as caught:
        read_state(saved(checkpoint))
    assert "['state_dict']" in caught.value.hint


def test_mappings_that_hold_each_other_over_and_over_are_looked_at_once():
    inner: dict = {"a": 1}
    for _ in range(6):
        inner = {f"k{k}": inner for k in range(300)}  # 300^6 ways through it
    with pytest.raises(UserError, match="no weights by name"):
        read_state(saved(inner))
    circle: dict = {"b": 1}
    circle["circle"] = circle
    with pytest.raises(UserError, match="no weights by name"):
        read_state(saved(circle))


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_other_pickles_are_refused(protocol):
    with pytest.raises(UserError, match=r"damaged|pickled"):
        read_state(pickle.dumps({"a": [1.0, 2.0]}, protocol))
