"""The README's two commands are what is tested, so they must stay what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(name: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)```", text, re.S)
    assert found, f"the README has no command '{name}'"
    return found.group(1).strip().splitlines()


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_a_command_is_one_line_that_brings_all_it_needs(name: str) -> None:
    lines = command(name)
    assert len(lines) == 1
    for needed in ("apt-get update", "python3-venv", "libegl1", "libxcb-cursor0", "-m venv .venv", "pip install"):
        assert needed in lines[0]


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
