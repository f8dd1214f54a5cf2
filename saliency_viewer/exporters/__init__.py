"""Results out: PNG, NPY, NIfTI, CSV and the manifest. No patient name, ID or path is in any of them."""

from saliency_viewer.exporters.identity import case_identifier, keyed_digest, safe_name
from saliency_viewer.exporters.manifest import file_sha256, library_versions, write_manifest
from saliency_viewer.exporters.maps import export_maps, write_npy
from saliency_viewer.exporters.nifti import write_grid_nifti, write_map_nifti, write_regions, write_volume
from saliency_viewer.exporters.pictures import write_png, write_summary_plot
from saliency_viewer.exporters.statistics import as_written, cell, read_statistics, write_statistics
from saliency_viewer.exporters.tables import write_table

__all__ = [
    "as_written",
    "case_identifier",
    "cell",
    "export_maps",
    "file_sha256",
    "keyed_digest",
    "library_versions",
    "read_statistics",
    "safe_name",
    "write_grid_nifti",
    "write_manifest",
    "write_map_nifti",
    "write_npy",
    "write_png",
    "write_regions",
    "write_statistics",
    "write_summary_plot",
    "write_table",
    "write_volume",
]
