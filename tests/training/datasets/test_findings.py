from itertools import pairwise

import numpy as np
import pytest

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import Box, TrainingCase
from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry, mask_runs
from saliency_viewer.training.datasets import box_mask, finding_regions


def where(mask):
    """First and last row, first and last column."""
    rows, columns = np.nonzero(mask)
    assert mask.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(2, 3, 4, 5), (2, 5, 3, 7)),  # whole pixels: rows 2, 3, 4, 5
        (Box(0, 0, 10, 12), (0, 9, 0, 11)),
        (Box(2.4, 3.0, 1.0, 1.0), (2, 2, 3, 3)),  # from 2.4 to 3.4: the centre 2.5
        (Box(2.5, 3.0, 1.0, 1.0), (2, 2, 3, 3)),  # from 2.5 on: that centre lies on the upper edge and belongs
        (Box(2.6, 3.0, 1.0, 1.0), (3, 3, 3, 3)),  # from 2.6 to 3.6: the centre 3.5
        (Box(2.0, 3.0, 1.5, 1.0), (2, 2, 3, 3)),  # up to 3.5: that centre lies on the lower edge and does not
        (Box(2.0, 3.0, 1.6, 1.0), (2, 3, 3, 3)),
        (Box(2.6, 3.1, 0.2, 0.2), (2, 2, 3, 3)),  # no centre inside: the pixel of its own centre
        (Box(-0.4, -0.4, 2.0, 2.0), (0, 1, 0, 1)),
        (Box(8, 10, 5, 5), (8, 9, 10, 11)),  # cut at the border
    ],
)
def test_a_box_is_the_pixels_whose_centres_it_holds(box, expected):
    assert where(box_mask(box, (10, 12))) == expected


def test_boxes_side_by_side_share_no_pixel_and_leave_none_between():
    edges = (0.0, 3.2, 7.5, 12.5, 18.9, 26.49, 30.0)
    boxes = [Box(0, low, 1, high - low) for low, high in pairwise(edges)]
    assert (sum(box_mask(box, (1, 30)).astype(int) for box in boxes) == 1).all()


def case(**findings):
    return TrainingCase("row 2", ImageReference("x"), "p", 1, **findings)


def test_several_boxes_are_one_region_on_the_images_grid():
    geometry = Geometry.from_spacing((1, 8, 9), (1.0, 0.5, 0.5))
    regions = finding_regions(case(boxes=(Box(0, 0, 2, 2), Box(1, 1, 2, 2))), geometry, "opacity")
    assert regions.geometry is geometry
    assert regions.names == ("opacity",)
    assert regions.mask("opacity").sum() == 4 + 4 - 1


def test_several_runs_are_one_region():
    regions = finding_regions(case(runs=("0 1", "3 2")), Geometry.from_spacing((1, 2, 3)))
    assert np.argwhere(regions.mask("finding")).tolist() == [[0, 0, 0], [0, 0, 2], [0, 1, 1]]


def test_runs_of_another_size_are_resized_by_the_centres_of_pixels():
    fine = np.zeros((8, 4), dtype=bool)
    fine[0:4, 2:4] = True
    found = case(runs=(mask_runs(fine),), runs_shape=(8, 4))
    half = finding_regions(found, Geometry.from_spacing((1, 4, 2))).mask("finding")[0]
    assert half.tolist() == [[0, 1], [0, 1], [0, 0], [0, 0]]
    double = finding_regions(found, Geometry.from_spacing((1, 16, 8))).mask("finding")[0]
    assert np.array_equal(double, np.kron(fine, np.ones((2, 2))))


def test_boxes_on_a_volume_are_refused():
    with pytest.raises(UserError, match="which are of pictures, and the image is a volume"):
        finding_regions(case(boxes=(Box(0, 0, 1, 1),)), Geometry.from_spacing((3, 8, 8)))


def test_an_absent_mask_is_said():
    with pytest.raises(UserError, match="no such mask file"):
        finding_regions(case(mask="absent.png"), Geometry.from_spacing((1, 8, 8)))
