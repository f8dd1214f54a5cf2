"""What the window does with what files say: windows, graphics, padding, grids, warnings, groups, frames, units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QToolButton

from saliency_viewer.domain import AnalysisPlan, ImageReference, Unreadable, Volume, Window
from saliency_viewer.gui.cine import FRAMES_PER_SECOND
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.dialogs.unreadable import UnreadableDialog
from saliency_viewer.gui.documents import document_of
from saliency_viewer.gui.panels.studies import ClickRow
from saliency_viewer.gui.panels.units import length_unit
from saliency_viewer.gui.reading import thumbnail
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.spatial import Geometry

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

SIGMOID = Window(40, 400, "SIGMOID", "SOFT")
TABLE = Window(100, 256, "TABLE", "CURVE", bytes(reversed(range(256))))


def _menu(window, text: str) -> list[tuple[str, bool, bool]]:
    """Texts of a menu's entries, whether they are enabled, and whether they are ticked."""
    button = next(one for one in window.findChildren(QToolButton) if one.text() == text)
    button.menu().aboutToShow.emit()
    entries = [one for one in button.menu().actions() if not one.isSeparator()]
    return [(one.text().split("\t")[0], one.isEnabled(), one.isChecked()) for one in entries]


def _choose(window, text: str, entry: str) -> None:
    button = next(one for one in window.findChildren(QToolButton) if one.text() == text)
    button.menu().aboutToShow.emit()
    next(one for one in button.menu().actions() if one.text().split("\t")[0] == entry).trigger()


def _words(panel) -> list[str]:
    return [one.text() for one in panel.findChildren(QLabel) if one.isVisibleTo(panel)]


# Windows


def test_the_files_windows_are_offered_before_the_usual_ones(show_series, make_series):
    window = show_series(make_series(window=SIGMOID, windows=(SIGMOID, TABLE)))
    entries = _menu(window, "Presets ▾")
    assert [text for text, _, _ in entries] == [
        "From the file", "SOFT · sigmoid", "CURVE · table",
        "Presets", "Auto", "Lung", "Mediastinum", "Bone", "Brain",
    ]  # fmt: skip
    assert [text for text, _, ticked in entries if ticked] == ["SOFT · sigmoid"]
    _choose(window, "Presets ▾", "CURVE · table")
    assert window.state.view.window == TABLE
    assert window.viewports.views[2].window_shown.table == TABLE.table
    assert [text for text, _, ticked in _menu(window, "Presets ▾") if ticked] == ["CURVE · table"]
    _choose(window, "Presets ▾", "Auto")
    assert window.viewports.views[0].window_shown == window.state.volume.auto_window
    window.actions_by_id["reset-window"].trigger()
    assert window.viewports.views[0].window_shown == SIGMOID


def test_presets_say_why_there_are_none(window, show_series, make_series):
    assert _menu(window, "Presets ▾") == [("Open an image first", False, False)]
    colour = np.zeros((6, 20, 18, 3), dtype=np.uint8)
    show_series(make_series(colour=colour))
    assert _menu(window, "Presets ▾") == [("A colour image has no window", False, False)]


# Graphics and padding


def test_graphics_can_be_hidden_where_a_file_has_some(show_series, make_series):
    graphics = np.zeros((6, 20, 18), dtype=bool)
    graphics[3, 8:12] = True
    window = show_series(make_series(overlays=graphics))
    action = window.actions_by_id["graphics"]
    assert (action.isEnabled(), action.isChecked()) == (True, True)
    whites = []
    for _ in range(2):
        picture = window.viewports.views[0]._picture.image()
        whites.append(sum(picture.pixelColor(x, 9).red() == 255 for x in range(18)))
        action.trigger()
    assert whites[0] == 18
    assert whites[1] < 18
    assert action.isChecked()  # twice is back


def test_without_graphics_there_is_nothing_to_hide(show_series, make_series):
    window = show_series(make_series())
    assert not window.actions_by_id["graphics"].isEnabled()


def test_padding_is_called_so_under_the_mouse_and_black_in_the_list(show_series, make_series):
    array = np.full((6, 20, 18), 500, dtype=np.int16)
    array[:, :10] = -2000
    geometry = Geometry.from_spacing(array.shape, (3, 1, 1), "patient", True)
    volume = Volume(array, geometry, "CT", "HU", window=Window(-5000, 10), padding=(-2000.0, -2000.0))
    window = show_series(make_series(loader=lambda _context: volume))
    window.intents.probe.emit((2, 3, 4))
    assert window.status.text.endswith("value -2000 HU (padding)")
    window.intents.probe.emit((2, 15, 4))
    assert window.status.text.endswith("value 500 HU")
    small = window.state.case.thumbnail
    assert (small[: len(small) // 2 - 1] == 0).all()
    assert (small[-1] == 255).all()


def test_the_thumbnail_of_a_colour_image_is_in_colour():
    colour = np.zeros((3, 20, 30, 3), dtype=np.uint8)
    colour[1] = (10, 200, 30)
    volume = Volume(np.zeros((3, 20, 30), np.uint8), Geometry.from_spacing((3, 20, 30)), "US", colour=colour)
    small = thumbnail(volume)
    assert small.shape == (20, 20, 3)
    assert (small == (10, 200, 30)).all()


# Grids


def _two_grids(make_series, **fields):
    stored = make_series(1, (4, 20, 18))
    return make_series(1, grids=("regular", "stored"), other_loader=stored.loader, **fields)


def test_the_other_grid_is_a_case_of_its_own_and_nothing_is_lost(qtbot, show_series, make_series):
    window = show_series(_two_grids(make_series), make_series(2, (2, 9, 9)))
    square = np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]])
    window.intents.stroke.emit(Stroke("polygon", 0, 2, square, 2.0))
    window.intents.set_crosshair.emit((1, 5, 6))
    window.intents.set_window.emit(SIGMOID)
    assert (window.notices.grids["regular"].isChecked(), window.notices.grids["stored"].isVisible()) == (True, True)
    window.notices.grids["stored"].click()
    qtbot.waitUntil(lambda: window.state.current == 1 and not window.pool.busy, timeout=20000)
    assert window.state.volume.geometry.shape == (4, 20, 18)
    assert window.state.regions is None
    assert window.state.view.index == (1, 5, 6)  # the same place in the patient
    assert window.state.view.window == SIGMOID
    case = window.state.case
    assert case.reference.grid == "stored"
    assert case.title == f"{case.name} · as stored"
    assert window.notices.grids["stored"].isChecked()
    assert not window.actions_by_id["grid"].isChecked()
    assert [one.series.number for one in window.state.cases] == [1, 1, 2]  # beside the first
    window.actions_by_id["grid"].trigger()
    assert window.state.current == 0  # it is there already
    assert window.state.regions.regions[0].voxels == 30
    assert window.actions_by_id["grid"].isChecked()
    window.intents.toggle_grid.emit()
    assert (window.state.current, len(window.state.cases)) == (1, 3)


def test_plan_and_session_say_which_grid_they_are_of(qtbot, show_series, make_series, card, process):
    window = show_series(_two_grids(make_series))
    window.state.set_model("package", card)
    window.intents.set_grid.emit("stored")
    qtbot.waitUntil(lambda: window.state.current == 1 and not window.pool.busy, timeout=20000)
    window.methods.explain()
    assert process.jobs[0].plan.image.grid == "stored"
    assert document_of(window.state.case, "").image.grid == "stored"


def test_a_session_on_the_other_grid_reads_that_grid_again(qtbot, show_series, make_series, tmp_path):
    window = show_series(_two_grids(make_series))
    window.intents.set_grid.emit("stored")
    qtbot.waitUntil(lambda: window.state.current == 1 and not window.pool.busy, timeout=20000)
    window.saving.save(tmp_path / "work.svsession")
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: len(window.state.cases) == 3, timeout=20000)
    assert window.state.volume.geometry.shape == (4, 20, 18)
    assert window.state.case.grid == "stored"


def test_a_series_with_one_grid_offers_no_choice(show_series, make_series):
    window = show_series(make_series())
    assert not window.notices.isVisible()
    assert not window.actions_by_id["grid"].isEnabled()
    window.intents.set_grid.emit("regular")
    window.intents.toggle_grid.emit()
    assert len(window.state.cases) == 1


# Warnings, files that could not be read, groups


def test_what_is_unusual_is_said_below_the_pictures_and_not_again_in_the_model_panel(
    show_series, make_series, make_result
):
    warnings = ("irregular spacing: gaps from 2 to 5 mm.", "gantry tilt: 12 degrees.")
    window = show_series(make_series(warnings=warnings))
    line = window.notices
    assert line.isVisible()
    assert line.words.text() == "Irregular spacing: gaps from 2 to 5 mm."
    assert line.words.toolTip() == "\n".join(warnings)
    assert line.more.text() == "1 more…"
    line.more.click()
    (dialog,) = window.findChildren(MessageDialog)
    assert dialog.message.text() == "Irregular spacing: gaps from 2 to 5 mm."
    assert dialog.hint.text() == "Gantry tilt: 12 degrees."
    dialog.close()
    result = replace(make_result(), warnings=(*warnings, "the network met a gate"))
    window.state.set_result(window.state.case, AnalysisPlan(ImageReference("x"), "", ()), result)
    assert window.model._warnings() == ["the network met a gate"]


FILES = (
    Unreadable("DOE/1.dcm", "The file is damaged."),
    Unreadable("a/report.dcm", "The file holds no image (it is of kind SR)."),
    Unreadable("DOE/2.dcm", "The file is damaged."),
)


def test_files_that_could_not_be_read_are_listed_by_reason(qtbot, show_series, make_series, caplog):
    window = show_series(make_series(), unreadable=FILES)
    assert window.status.text == "3 files could not be read"
    window.status.more.click()
    (dialog,) = window.findChildren(UnreadableDialog)
    heads = [dialog.tree.topLevelItem(k) for k in range(dialog.tree.topLevelItemCount())]
    listed = {head.text(0): [head.child(k).text(0) for k in range(head.childCount())] for head in heads}
    assert listed == {FILES[0].reason: ["DOE/1.dcm", "DOE/2.dcm"], FILES[1].reason: ["a/report.dcm"]}
    dialog.copy.click()
    assert QGuiApplication.clipboard().text().splitlines() == [f"{one.path}\t{one.reason}" for one in FILES]
    heads[0].child(1).setSelected(True)
    heads[1].setSelected(True)
    assert dialog.selected() == (FILES[2], FILES[1])
    dialog.close()
    window.intents.probe.emit((0, 0, 0))
    assert not window.status.more.isVisible()

    def rows() -> list[ClickRow]:
        return [one for one in window.studies.findChildren(ClickRow) if "could not be read" in one.accessibleName()]

    qtbot.waitUntil(lambda: bool(rows()))
    rows()[-1]._choose()
    assert [one.isVisible() for one in window.findChildren(UnreadableDialog)].count(True) == 1
    assert "DOE" not in caplog.text
    for one in window.findChildren(UnreadableDialog):
        one.close()


def test_one_file_is_no_files(show_series, make_series):
    window = show_series(make_series(), unreadable=FILES[:1])
    assert window.status.text == "1 file could not be read"


def test_the_row_of_unreadable_files_stays_below_its_study_when_a_case_comes_between(qtbot, show_series, make_series):
    window = show_series(_two_grids(make_series), unreadable=FILES)
    window.intents.set_grid.emit("stored")
    qtbot.waitUntil(lambda: window.state.current == 1 and not window.pool.busy, timeout=20000)

    def rows() -> list[str]:
        return [one.accessibleName() for one in window.studies.findChildren(ClickRow) if one.isVisible()]

    qtbot.waitUntil(lambda: len(rows()) == 3)
    assert rows()[2] == "3 files could not be read"


def test_patients_and_studies_have_headings(qtbot, show_series, make_series):
    groups = ("patient 1, study 1", "patient 1, study 1", "patient 2")
    window = show_series(*(make_series(k, group=group) for k, group in enumerate(groups, start=1)))
    qtbot.waitUntil(lambda: "Patient 2" in _words(window.studies))
    words = _words(window.studies)
    places = [words.index(text) for text in ("Patient 1, study 1", "Thorax 2", "Patient 2", "Thorax 3")]
    assert places == sorted(places)
    assert words.count("Patient 1, study 1") == 1


# Frames


@pytest.fixture
def cine(show_series, make_series):
    colour = np.random.default_rng(3).integers(0, 255, (8, 20, 18, 3)).astype(np.uint8)
    return show_series(make_series(1, (8, 20, 18), "none", modality="US", units="", colour=colour))


def test_frames_have_one_viewport_in_colour_and_count_frames(qtbot, cine):
    visible = [view for view in cine.viewports.views if view.isVisible()]
    (view,) = visible
    assert view.accessibleName() == "Image"
    colour = cine.state.volume.colour
    for index in (4, 6):
        cine.intents.set_slice.emit(0, index)
        picture = view._picture.image()
        shown = [picture.pixelColor(5, 7).getRgb()[:3], picture.pixelColor(17, 19).getRgb()[:3]]
        assert shown == [tuple(colour[index, 7, 5]), tuple(colour[index, 19, 17])]
    assert "Frame 7 / 8" in _words(cine.bottom)
    qtbot.waitUntil(lambda: any("8 frames" in words for words in _words(cine.studies)))
    cine.intents.probe.emit((6, 7, 5))
    red, green, blue = colour[6, 7, 5]
    assert cine.status.text == f"frame 7   x 5 y 7 px     colour {red} {green} {blue}"


def test_maps_of_a_cine_stand_beside_its_image(cine, make_result):
    result = make_result(("grad-cam",))
    (amap,) = result.maps
    grid = cine.state.volume.geometry
    amap = replace(amap, array=np.ones(grid.shape, np.float32), geometry=grid)
    result = replace(result, volume=cine.state.volume, maps=(amap,))
    cine.state.set_result(cine.state.case, AnalysisPlan(ImageReference("x"), "", ()), result)
    cine.viewports.rebuild()
    titles = [view.accessibleName() for view in cine.viewports.views if view.isVisible()]
    assert titles == ["Image", "Grad-CAM"]


def test_a_cine_plays_round_and_stops(qtbot, cine):
    cine.intents.set_slice.emit(0, 6)
    seen = []
    cine.state.view_changed.connect(lambda: seen.append(cine.state.view.index[0]))
    cine.bottom.play.click()
    assert cine.bottom.play.text() == "Pause"
    assert cine.actions_by_id["cine"].isChecked()
    qtbot.waitUntil(lambda: 1 in seen, timeout=5000 + 8000 // FRAMES_PER_SECOND)
    assert list(dict.fromkeys(seen))[:4] == [6, 7, 0, 1]
    cine.actions_by_id["cine"].trigger()
    assert not cine.cine._timer.isActive()
    assert cine.bottom.play.text() == "Play"


def test_another_image_does_not_go_on_playing(qtbot, cine, make_series, monkeypatch):
    cine.intents.toggle_cine.emit()
    cine.intents.open_paths.emit([cine.state.case.reference.path])
    qtbot.waitUntil(lambda: cine.state.current == 1 and not cine.pool.busy, timeout=20000)
    assert not cine.cine._timer.isActive()


# Units


@pytest.mark.parametrize(
    ("calibration", "oriented", "slices", "where", "unit"),
    [
        ("none", False, 1, "x 4 y 3 px", "px"),
        ("none", True, 6, "slice 3   x 4 y 3 px", "px"),
        ("detector", True, 1, "x 4.0 y 3.0 mm at detector", "mm at detector"),
        ("patient", False, 1, "x 4.0 y 3.0 mm", "mm"),
        ("patient", True, 6, "x 4.0 y 3.0 z 6.0 mm", "mm"),
    ],
)
def test_millimetres_stand_only_where_there_are_some(
    show_series, make_series, calibration, oriented, slices, where, unit
):
    window = show_series(make_series(1, (slices, 20, 18), calibration, oriented=oriented))
    window.intents.probe.emit((min(2, slices - 1), 3, 4))
    assert window.status.text.startswith(f"{where}     value")
    assert window.regions._radius.suffix() == f" {unit}"
    assert length_unit(window.state.volume.geometry) == unit


@pytest.mark.parametrize(("calibration", "said"), [("detector", True), ("patient", False)])
def test_sizes_on_a_radiograph_are_said_to_be_at_the_detector(
    qtbot, show_series, make_series, make_result, calibration, said
):
    window = show_series(make_series(1, (1, 20, 18), calibration, oriented=True))
    volume = window.state.volume
    amap = make_result().maps[0]
    amap = replace(amap, array=np.ones(volume.geometry.shape, np.float32), geometry=volume.geometry)
    result = replace(make_result(), volume=volume, maps=(amap,))
    window.state.set_result(window.state.case, AnalysisPlan(ImageReference("x"), "", ()), result)
    square = np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]])
    window.intents.stroke.emit(Stroke("polygon", 0, 0, square, 2.0))
    qtbot.waitUntil(lambda: bool(window.state.case.rows), timeout=20000)
    assert ("at detector" in window.evidence._foot.text()) is said
    size = window.evidence.table.item(0, 5)
    assert size.text() == "30 mm²"
    assert ("at the detector" in size.toolTip()) is said


def test_a_case_keeps_its_series_name_when_it_is_read_and_says_its_own_below(qtbot, show_series, make_series):
    window = show_series(make_series(1), make_series(2))
    qtbot.waitUntil(lambda: bool(window.state.cases[0].image_hash))
    number = window.state.cases[0].name.removeprefix("Case ")
    qtbot.waitUntil(lambda: any(words.startswith(f"{number} · ") for words in _words(window.studies)))
    assert [text for text in _words(window.studies) if text.startswith("Thorax")] == ["Thorax 1", "Thorax 2"]
