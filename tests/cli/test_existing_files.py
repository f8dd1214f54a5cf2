from __future__ import annotations

from pathlib import Path

import pytest

from saliency_viewer.cli.options import existing_files
from saliency_viewer.errors import UserError


def test_of_several_files_the_missing_one_is_counted(tmp_path: Path) -> None:
    here, absent = tmp_path / "here", tmp_path / "Doe^John"
    here.touch()
    assert existing_files([str(here), str(here)], "model package") == (here, here)
    with pytest.raises(UserError, match=r"There is no such model package: number 2 of 3\.") as said:
        existing_files([str(here), str(absent), str(here)], "model package")
    assert "Doe" not in str(said.value)
    with pytest.raises(UserError, match=r"There is no such map\."):
        existing_files([str(absent)], "map")
