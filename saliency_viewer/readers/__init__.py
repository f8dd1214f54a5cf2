"""Files in: DICOM, NIfTI and raster images become a Study; label maps become regions."""
