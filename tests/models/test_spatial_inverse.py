"""Any chain of spatial steps and its way back, against the same steps taken with SimpleITK in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from saliency_viewer.domain import InputSpec
from saliency_viewer.models.prepared import Preparation, project_map
from saliency_viewer.spatial import Geometry, axis_codes

OPPOSITE = dict(zip("LRPASI", "RLAPIS", strict=True))


class Twin:
    """An image that SimpleITK moves: its grid in millimetres after every step, and every grid on the way."""

    def __init__(self, array, geometry):
        self.image = SimpleITK.GetImageFromArray(np.asarray(array, dtype=np.float64))
        self.image.SetOrigin(geometry.affine[:3, 3].tolist())
        self.image.SetSpacing(geometry.spacing[::-1])
        self.image.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
        self.stages = [self.image]

    def orient(self, code):
        self._then(SimpleITK.DICOMOrient(self.image, code))

    def shape(self):
        return tuple(self.image.GetSize()[::-1])

    def spacing(self):
        return tuple(self.image.GetSpacing()[::-1])

    def resize(self, shape):
        """The same length in other cells: the first centre lies half a new cell behind the outer border."""
        ratio = [old / new for old, new in zip(self.shape(), shape, strict=True)]
        self._sample(shape, [(r - 1) / 2 for r in ratio], [mm * r for mm, r in zip(self.spacing(), ratio, strict=True)])

    def from_first_centre(self, spacing):
        pairs = zip(self.shape(), self.spacing(), spacing, strict=True)
        self._sample([rounded((n - 1) * have / want + 1) for n, have, want in pairs], [0.0] * 3, spacing)

    def _sample(self, shape, start, spacing):
        origin = self.image.TransformContinuousIndexToPhysicalPoint([float(v) for v in start[::-1]])
        grid = SimpleITK.Image([int(n) for n in shape[::-1]], SimpleITK.sitkFloat64)
        grid.SetOrigin(origin)
        grid.SetSpacing([float(mm) for mm in spacing[::-1]])
        grid.SetDirection(self.image.GetDirection())
        self._then(grid)  # a ramp of millimetres is known everywhere, so the values need no moving

    def cut(self, before, after):
        size = [n - a - b for n, a, b in zip(self.shape(), before, after, strict=True)]
        self._then(SimpleITK.RegionOfInterest(self.image, size[::-1], [int(a) for a in before[::-1]]))

    def pad(self, before, after):
        self._then(
            SimpleITK.ConstantPad(self.image, [int(n) for n in before[::-1]], [int(n) for n in after[::-1]], 0.0)
        )

    def _then(self, image):
        self.image = image
        self.stages.append(image)


def rounded(cells):
    """The nearest whole number; what lies in the middle may go either way, so it is no example."""
    assume(abs(cells % 1 - 0.5) > 1e-6)
    return round(cells)


def fit_evenly(twin, size, axes, floor=False):
    """Pad, then cut the middle, each with the odd cell where torchvision (or MONAI) leaves it."""
    shape = twin.shape()[-axes:]
    lead = (0,) * (3 - axes)
    more = [max(want - have, 0) for have, want in zip(shape, size, strict=True)]
    twin.pad((*lead, *(m // 2 for m in more)), (*lead, *(m - m // 2 for m in more)))
    rest = [(have, have - want) for have, want in zip(twin.shape()[-axes:], size, strict=True)]
    first = [have // 2 - (have - less) // 2 if floor else round(less / 2) for have, less in rest]
    twin.cut((*lead, *first), (*lead, *(less - a for (_, less), a in zip(rest, first, strict=True))))


def take(step, twin, axes):
    """One step of a card, done by the twin."""
    lead, shape = twin.shape()[: 3 - axes], twin.shape()[-axes:]
    zero = (0,) * (3 - axes)
    if step["step"] == "spacing" and step.get("keep") == "centres":
        twin.from_first_centre((*twin.spacing()[: 3 - axes], *step["to"]))
    elif step["step"] == "spacing":
        pairs = zip(shape, twin.spacing()[-axes:], step["to"], strict=True)
        twin.resize((*lead, *(max(1, rounded(n * have / want)) for n, have, want in pairs)))
    elif "to" in step:
        twin.resize((*lead, *step["to"]))
    elif "shorter" in step:
        twin.resize((*lead, *(int(step["shorter"] * n / min(shape)) for n in shape)))
    elif "within" in step:
        scale = min(want / have for have, want in zip(shape, step["within"], strict=True))
        twin.resize((*lead, *(min(w, max(1, rounded(n * scale))) for n, w in zip(shape, step["within"], strict=True))))
    elif "by" in step:
        before, after = ((*zero, *(pair[k] for pair in step["by"])) for k in (0, 1))
        (twin.pad if step["step"] == "pad" else twin.cut)(before, after)
    elif step["step"] == "pad":
        fit_evenly(twin, [max(n, want) for n, want in zip(shape, step["size"], strict=True)], axes)
    else:
        size = [min(n, want) for n, want in zip(shape, step["size"], strict=True)]
        fit_evenly(twin, size, axes, step.get("middle") == "monai")


def points_of(image):
    """(slice, row, column, 3) millimetres of every centre, by SimpleITK's own geometry."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in image.GetSize()[::-1]], indexing="ij"), -1)[..., ::-1]
    turn = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return index @ turn.T + np.array(image.GetOrigin())


def index_in(image, points):
    """Fractional (slice, row, column) of points in mm."""
    turn = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return ((points - np.array(image.GetOrigin())) @ np.linalg.inv(turn).T)[..., ::-1]


def inside(image, points, slack=0.0):
    index, size = index_in(image, points), np.array(image.GetSize()[::-1])
    return ((index > -0.5 - slack) & (index < size - 0.5 + slack)).all(-1)


def pure_cells(twin):
    """Which cells of the last grid lie wholly in the image, so that no padding is mixed into them."""
    last, first = twin.image, twin.stages[0]
    turn = np.array(last.GetDirection()).reshape(3, 3) * np.array(last.GetSpacing())
    corners = np.array(np.meshgrid(*[(-0.499, 0.499)] * 3)).reshape(3, -1).T
    points = points_of(last)
    return np.all([inside(first, points + corner @ turn.T) for corner in corners], axis=0)


def like(array, image):
    made = SimpleITK.GetImageFromArray(np.asarray(array, dtype=np.float64))
    made.CopyInformation(image)
    return made


def read_in(values, grid, target):
    """A map on ``grid`` read at the centres of ``target``, NaN outside."""
    read = SimpleITK.Resample(
        like(values, grid), target, SimpleITK.Transform(), SimpleITK.sitkLinear, float("nan"), SimpleITK.sitkFloat64
    )
    return SimpleITK.GetArrayFromImage(read)


@st.composite
def geometries(draw):
    shape = tuple(draw(st.integers(7, 15)) for _ in range(3))
    spacing = [draw(st.integers(5, 40)) / 10 for _ in range(3)]
    tilt = np.deg2rad([draw(st.integers(-20, 20)) for _ in range(3)])
    turn = SimpleITK.Euler3DTransform((0, 0, 0), *tilt).GetMatrix()
    order = draw(st.permutations(range(3)))
    signs = [draw(st.sampled_from((-1.0, 1.0))) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn).reshape(3, 3)[:, list(order)] * (np.array(spacing) * signs)
    affine[:3, 3] = [draw(st.integers(-200, 200)) for _ in range(3)]
    return Geometry(shape, affine)


@st.composite
def step_lists(draw, axes):
    def sizes(low, high):
        return [draw(st.integers(low, high)) for _ in range(axes)]

    def borders(most):
        return [[draw(st.integers(0, most)), draw(st.integers(0, most))] for _ in range(axes)]

    kinds = {
        "edges": lambda: {"step": "spacing", "to": [draw(st.integers(7, 30)) / 10 for _ in range(axes)]},
        "centres": lambda: {
            "step": "spacing", "keep": "centres", "to": [draw(st.integers(7, 30)) / 10 for _ in range(axes)],
        },
        "to": lambda: {"step": "resize", "to": sizes(5, 20)},
        "shorter": lambda: {"step": "resize", "shorter": draw(st.integers(5, 18))},
        "within": lambda: {"step": "resize", "within": sizes(6, 18)},
        "crop": lambda: {"step": "crop", "size": sizes(4, 16)},
        "monai": lambda: {"step": "crop", "size": sizes(4, 16), "middle": "monai"},
        "cut": lambda: {"step": "crop", "by": borders(1)},
        "pad": lambda: {"step": "pad", "size": sizes(4, 20)},
        "more": lambda: {"step": "pad", "by": borders(4)},
    }  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=4))
    return [kinds[name]() for name in chosen]


@st.composite
def cases(draw, layout):
    geometry = draw(geometries())
    axes = 3 if layout == "3d" else 2
    found = axis_codes(geometry)[::-1]  # column, row, slice
    if layout == "3d":
        letters = [draw(st.sampled_from((letter, OPPOSITE[letter]))) for letter in draw(st.permutations(found))]
    else:  # a slice-wise network takes the image's own slices
        plane = draw(st.permutations(found[:2]))
        letters = [*(draw(st.sampled_from((letter, OPPOSITE[letter]))) for letter in plane), found[2]]
    code = draw(st.sampled_from(("", "".join(letters))))
    return geometry, code, draw(step_lists(axes))


def moved(geometry, code, steps, axes):
    twin = Twin(np.zeros(geometry.shape), geometry)
    if code:
        twin.orient(code)
    for step in steps:
        take(step, twin, axes)
    return twin


def prepared_for(geometry, code, steps, layout, make, antialias=True):
    spec = InputSpec(
        layout=layout, channels=3 if layout == "2.5d" else 1, fit="none", orientation=code, spatial=tuple(steps),
        antialias=antialias,
    )  # fmt: skip
    ramp = geometry.to_patient(np.moveaxis(np.indices(geometry.shape), 0, -1)) @ np.array([1.0, -2.0, 0.5])
    return Preparation(spec, make.volume(ramp.astype(np.float32), geometry))


def check_seen(back, twin, original):
    """NaN exactly where a cut took the tissue away; centres on the very edge may count either way."""
    points = points_of(original)
    surely = np.all([inside(stage, points, -1e-4) for stage in twin.stages], axis=0)
    possibly = np.all([inside(stage, points, 1e-4) for stage in twin.stages], axis=0)
    seen = np.isfinite(back)
    assert seen[surely].all()
    assert not seen[~possibly].any()


@settings(max_examples=120, deadline=None)
@given(case=cases("3d"))
def test_a_map_of_a_3d_network_lies_where_simpleitk_puts_it(make_module, case):
    geometry, code, steps = case
    twin = moved(geometry, code, steps, 3)
    prepared = prepared_for(geometry, code, steps, "3d", make_module).of(())
    assert tuple(prepared.inputs.shape[2:]) == twin.shape()
    values = np.random.default_rng(1).random(twin.shape(), dtype=np.float32)
    back = project_map(values[None, None], prepared)
    check_seen(back, twin, twin.stages[0])
    pure = read_in(pure_cells(twin), twin.image, twin.stages[0]) > 1 - 1e-6
    expected = read_in(values, twin.image, twin.stages[0])
    compared = pure & np.isfinite(back) & np.isfinite(expected)
    np.testing.assert_allclose(back[compared], expected[compared], atol=2e-5)


@settings(max_examples=60, deadline=None)
@given(case=cases("3d"))
def test_what_a_3d_network_sees_comes_from_the_place_of_its_cell(make_module, case):
    geometry, code, steps = case
    twin = moved(geometry, code, steps, 3)
    seen = prepared_for(geometry, code, steps, "3d", make_module, antialias=False).of(()).inputs[0, 0].numpy()
    points = points_of(twin.image)
    # A ramp of millimetres keeps its values through any linear interpolation, away from where borders are repeated.
    steps_wide = 2 + max(1, *(max(stage.GetSpacing()) for stage in twin.stages)) / min(geometry.spacing)
    index = index_in(twin.stages[0], points)
    deep = ((index > steps_wide) & (index < np.array(geometry.shape) - 1 - steps_wide)).all(-1)
    for stage in twin.stages:
        place, size = index_in(stage, points), np.array(stage.GetSize()[::-1])
        deep &= ((place > 1.5) & (place < size - 2.5)).all(-1)
    expected = points @ np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(seen[deep], expected[deep], atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(case=cases("2d"), data=st.data())
@pytest.mark.parametrize("layout", ["2d", "2.5d"])
def test_a_map_of_a_slice_wise_network_lies_where_simpleitk_puts_it(make_module, layout, case, data):
    geometry, code, steps = case
    index = data.draw(st.integers(1, geometry.shape[0] - 2))
    planes = (index,) if layout == "2d" else (index - 1, index, index + 1)
    twin = moved(geometry, code, steps, 2)
    prepared = prepared_for(geometry, code, steps, layout, make_module).of((index,))
    assert tuple(prepared.inputs.shape[2:]) == twin.shape()[1:]
    values = np.random.default_rng(2).random((len(planes), *twin.shape()[1:]), dtype=np.float32)
    back = project_map(values[None], prepared)
    unseen = [k for k in range(geometry.shape[0]) if k not in planes]
    assert np.isnan(back[unseen]).all()
    whole = np.zeros(twin.shape())
    whole[list(planes)] = values
    expected = read_in(whole, twin.image, twin.stages[0])
    pure = read_in(pure_cells(twin), twin.image, twin.stages[0]) > 1 - 1e-6
    filled = np.where(np.isin(np.arange(geometry.shape[0]), planes)[:, None, None], back, np.nan)
    seen = np.full(geometry.shape, np.nan)
    for k in range(geometry.shape[0]):  # what was cut away is the same in every slice
        seen[k] = filled[planes[0]]
    check_seen(seen, twin, twin.stages[0])
    compared = pure & np.isfinite(filled) & np.isfinite(expected)
    np.testing.assert_allclose(filled[compared], expected[compared], atol=2e-5)
