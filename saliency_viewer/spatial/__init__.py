"""Where things are: index axes, patient millimetres, planes, and moving images between grids.

Arrays are (slice, row, column). Patient coordinates are LPS millimetres (x to the patient's Left,
y to Posterior, z to Superior), as in DICOM. NIfTI's RAS is converted in its reader and exporter only.
"""

from saliency_viewer.spatial.geometry import Geometry
from saliency_viewer.spatial.planes import Plane, axis_codes, edge_letters, orientation_name, plane_of_axis
from saliency_viewer.spatial.polygons import polygon_mask
from saliency_viewer.spatial.regular import RegularGrid
from saliency_viewer.spatial.resampling import require_same_grid, resample_image, resample_labels
from saliency_viewer.spatial.run_lengths import NO_RUNS, mask_runs, parse_runs, runs_mask

__all__ = [
    "NO_RUNS",
    "Geometry",
    "Plane",
    "RegularGrid",
    "axis_codes",
    "edge_letters",
    "mask_runs",
    "orientation_name",
    "parse_runs",
    "plane_of_axis",
    "polygon_mask",
    "require_same_grid",
    "resample_image",
    "resample_labels",
    "runs_mask",
]
