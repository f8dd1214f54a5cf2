"""Small data sets for the tests: the published layouts from phantoms, tables from random pictures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from saliency_viewer.phantoms import make_rsna, make_siim

sys.path.append(str(Path(__file__).parent))  # test folders are no packages, and tests share written_tables

from written_tables import Tables


@pytest.fixture(scope="session")
def rsna_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("rsna")
    return root, make_rsna(root, 24, seed=3, pixels=64)


@pytest.fixture(scope="session")
def siim_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("siim")
    return root, make_siim(root, 24, seed=3, pixels=64)


@pytest.fixture
def rsna(rsna_tree, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(rsna_tree[0], tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def siim(siim_tree, tmp_path):
    shutil.copytree(siim_tree[0], tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path)
