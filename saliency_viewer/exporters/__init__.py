"""Results out: PNG, NPY, NIfTI, CSV and the manifest."""
