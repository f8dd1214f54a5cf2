from __future__ import annotations

import hashlib

import numpy as np
import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.devices import choose_device, free_memory
from saliency_viewer.runtime.resources import resource_path
from saliency_viewer.runtime.seeds import derived_seed, generator


def test_streams_depend_on_seed_and_every_label_and_on_nothing_else():
    streams = {derived_seed(0, "a"), derived_seed(1, "a"), derived_seed(0, "b"), derived_seed(0, "a", 1)}
    assert len(streams) == 4
    assert derived_seed(0, "a", 1) == derived_seed(0, "a", 1)
    assert derived_seed(0, "ab", "c") != derived_seed(0, "a", "bc")


def test_seed_is_the_first_63_bits_of_a_hash_on_every_computer():
    digest = hashlib.sha256(b"7\x1fsmooth-grad\x1f3").digest()
    assert derived_seed(7, "smooth-grad", 3) == int.from_bytes(digest[:8], "little") >> 1
    assert 0 <= derived_seed(7, "smooth-grad", 3) < 2**63


def test_generators_of_one_stream_agree():
    assert np.array_equal(generator(3, "x").normal(size=5), generator(3, "x").normal(size=5))


def test_unknown_device_names_the_known_ones():
    with pytest.raises(UserError) as caught:
        choose_device("tpu")
    assert "auto, cpu, cuda" in caught.value.hint


def test_automatic_choice_is_a_device_that_exists_and_cuda_is_refused_without_one():
    import torch

    assert choose_device("cpu") == "cpu"
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == "cuda"
        return
    assert choose_device("auto") == "cpu"
    with pytest.raises(UserError, match="no CUDA"):
        choose_device("cuda")


def test_free_memory_is_a_plausible_number():
    assert 2**20 < free_memory() < 2**50


def test_memory_limit_of_a_container_counts(tmp_path, monkeypatch):
    from saliency_viewer.runtime import devices

    limit = tmp_path / "memory.max"
    limit.write_text("123456789\n")
    monkeypatch.setattr(devices, "_CGROUP_LIMITS", (str(limit),))
    assert free_memory() <= 123456789
    limit.write_text("max\n")
    assert free_memory() > 123456789


def test_missing_resource_is_a_broken_installation():
    with pytest.raises(UserError, match="missing") as caught:
        resource_path("no", "such", "thing")
    assert "Install" in caught.value.hint
