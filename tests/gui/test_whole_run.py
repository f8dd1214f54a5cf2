from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel

from saliency_viewer.cli import run

# The offscreen platform says this at every window with a smallest size; a screen's platform does not.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


def test_window_and_command_line_write_the_same_table(
    qtbot, real_window, tmp_path: Path, image: Path, mask: Path, tiny_model: Path
):
    window = real_window
    window.intents.choose_model.emit(str(tiny_model))
    window.intents.open_paths.emit([str(image)])
    qtbot.waitUntil(lambda: window.state.volume is not None and window.state.card is not None, timeout=20000)
    window.intents.import_regions.emit(str(mask))
    qtbot.waitUntil(lambda: window.state.regions is not None, timeout=20000)
    window.methods.explain()
    qtbot.waitUntil(lambda: len(window.state.maps) == 2 and not window.busy, timeout=60000)
    assert window.state.case.rows
    window.intents.export.emit(str(tmp_path / "window"), False)
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)

    session = tmp_path / "work.svsession"
    window.saving.save(session)
    qtbot.waitUntil(lambda: not window.state.modified, timeout=20000)
    before = window.state.maps[0].array.copy()
    window.intents.open_paths.emit([str(session)])
    qtbot.waitUntil(lambda: window.state.current == 1, timeout=20000)
    np.testing.assert_array_equal(window.state.maps[0].array, before)
    assert len(window.state.regions) == 2
    qtbot.waitUntil(lambda: not window.busy, timeout=20000)
    arguments = ["explain", str(image), "--model", str(tiny_model), "--regions", str(mask)]
    for method in ("grad-cam", "integrated-gradients"):
        arguments += ["--method", method]
    assert run([*arguments, "--device", "auto", "--out", str(tmp_path / "command")]) == 0
    name = "attribution_statistics.csv"
    assert (tmp_path / "window" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()


@pytest.fixture
def twin(tiny_model: Path, tmp_path: Path) -> Path:
    """The same architecture with other weights, under the same name."""
    import torch

    from saliency_viewer.models import load_package, write_package

    found = load_package(tiny_model)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = {key: value + 0.1 * torch.randn(value.shape) for key, value in found.network.state_dict().items()}
    write_package(tmp_path / "twin", found.card, state)
    return tmp_path / "twin"


def test_the_comparison_page_and_the_command_write_the_same(
    qtbot, real_window, tmp_path: Path, image: Path, mask: Path, tiny_model: Path, twin: Path
) -> None:
    window, state = real_window, real_window.comparing.state
    window.intents.choose_model.emit(str(tiny_model))
    window.intents.open_paths.emit([str(image)])
    qtbot.waitUntil(lambda: window.state.volume is not None and window.state.card is not None, timeout=20000)
    window.intents.import_regions.emit(str(mask))
    qtbot.waitUntil(lambda: window.state.regions is not None, timeout=20000)
    window.intents.compare.emit()
    window.intents.compare_add.emit(str(twin))
    qtbot.waitUntil(lambda: len(state.entries) == 2, timeout=20000)
    window.compare.go.click()
    qtbot.waitUntil(lambda: state.comparison is not None and not window.busy, timeout=60000)
    window.intents.compare_export.emit(str(tmp_path / "window"), False)
    qtbot.waitUntil(lambda: not window.busy, timeout=20000)
    asked = ["compare", str(image), "--model", str(tiny_model), str(twin), "--regions", str(mask)]
    for method in state.methods:
        asked += ["--method", method]
    assert run([*asked, "--device", "auto", "--out", str(tmp_path / "command")]) == 0

    def files(folder: str) -> dict[str, bytes]:
        root = tmp_path / folder
        return {one.relative_to(root).as_posix(): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    ours, theirs = files("window"), files("command")
    assert ours["agreement.csv"].count(b"mass_fraction_difference") == 8  # 2 methods, 2 models: 4 pairs, 2 regions
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == ["manifest.json"]  # the masks' hashes, and seconds


def test_answers_and_maps_stay_with_the_model_that_gave_them(qtbot, real_window, tmp_path, image, tiny_model) -> None:
    window = real_window
    window.intents.open_paths.emit([str(image), str(tiny_model)])
    window.opening.explain_when_ready()
    qtbot.waitUntil(lambda: len(window.state.maps) == 2 and not window.busy, timeout=60000)
    assert window.state.answer is window.state.result
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    text = (other / "model.toml").read_text()
    (other / "model.toml").write_text(text.replace("Tiny plane", "Another").replace('"sick"', '"ill"'))
    window.intents.choose_model.emit(str(other))
    qtbot.waitUntil(lambda: window.state.card.name == "Another", timeout=20000)
    said = [one.text() for one in window.model.findChildren(QLabel) if one.isVisible()]
    assert any("still those of Tiny plane" in words for words in said)
    assert not any(words.startswith("0.") and len(words) == 4 for words in said)  # no probability of the other model
    assert not any("sha" in words for words in said)
    # A session keeps the model that made its maps, not the one that was looked at last.
    window.saving.save(tmp_path / "work.svsession")
    qtbot.waitUntil(lambda: not window.state.modified, timeout=20000)
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: window.state.current == 1, timeout=20000)
    assert window.state.card.name == "Tiny plane"
    assert window.state.answer.prediction.classes == ("well", "sick")
